#include "quantize/hot_experts.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <numeric>

#include "base/quote.h"
#include "gguf/expert_names.h"

namespace issun::quantize {

namespace {

// The matrices of a layer's experts, by expert.
using Layer = std::map<int, std::vector<Tensor>>;

Result<std::map<int, Layer>> packed_layers(const gguf::GgufFile& source) {
  std::map<int, Layer> layers;
  for (const Tensor& tensor : source.tensors()) {
    const auto name = gguf::expert_name(tensor.name);
    if (!name) continue;
    if (name->expert == gguf::ExpertName::kAll) {
      return fail(
          "{}: expected experts in tensors of their own, which alone may differ in type, found a "
          "stack; issun pack takes it apart",
          tensor.name);
    }
    layers[name->layer][name->expert].push_back(tensor);
  }
  if (layers.empty())
    return fail("expected a mixture of experts as issun pack writes it, found no experts");
  return layers;
}

// How often each expert of the trace's mixture layer `l` was chosen.
std::vector<int64_t> uses(const experts::Trace& trace, int l) {
  std::vector<int64_t> counts(static_cast<size_t>(trace.header.experts[static_cast<size_t>(l)]));
  for (const experts::TraceBatch& batch : trace.batches) {
    for (int r = 0; r < batch.rows; ++r) {
      for (const int32_t expert : batch.chosen(trace.header, l, r))
        ++counts[static_cast<size_t>(expert)];
    }
  }
  return counts;
}

std::vector<int> most_used(const std::vector<int64_t>& counts, double share) {
  std::vector<int> order(counts.size());
  std::iota(order.begin(), order.end(), 0);
  const auto count = [&](int expert) { return counts[static_cast<size_t>(expert)]; };
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return count(a) > count(b); });
  const double wanted = std::ceil(share * static_cast<double>(counts.size()) - 1e-9);
  order.resize(std::min(order.size(), static_cast<size_t>(wanted)));
  std::erase_if(order, [&](int expert) { return count(expert) == 0; });
  return order;
}

}  // namespace

Result<HotExperts> parse_hot_experts(const std::string& text) {
  HotExperts hot;
  const size_t last = text.rfind(':');
  const size_t before = last == std::string::npos || last == 0 ? last : text.rfind(':', last - 1);
  const bool split = before != std::string::npos && before != 0 && before < last;
  const auto type = split ? dtype_from_name(text.substr(last + 1)) : std::nullopt;
  const auto read = [&](const char* begin, const char* end) {
    const auto [next, error] = std::from_chars(begin, end, hot.share);
    return error == std::errc() && next == end && hot.share > 0 && hot.share <= 1;
  };
  if (!type || !facts(*type).computable || !read(text.data() + before + 1, text.data() + last)) {
    return fail(
        "--hot-experts {}: expected TRACE:SHARE:TYPE, the share above 0 and up to 1, as "
        "trace.jsonl:0.25:Q4_K",
        printable(text));
  }
  hot.trace = text.substr(0, before);
  hot.type = *type;
  return hot;
}

Result<std::vector<TypeRule>> hot_expert_rules(const gguf::GgufFile& source,
                                               const experts::Trace& trace, const HotExperts& hot) {
  const std::map<int, Layer> layers = TRY(packed_layers(source));
  const experts::TraceHeader& header = trace.header;
  for (const auto& [number, layer] : layers) {
    if (std::find(header.layers.begin(), header.layers.end(), number) == header.layers.end())
      return fail("{}: expected all layers that have experts, found nothing of layer {}",
                  printable(hot.trace), number);
  }
  std::vector<TypeRule> rules;
  for (int l = 0; l < header.mixture_layers(); ++l) {
    const int number = header.layers[static_cast<size_t>(l)];
    const int count = header.experts[static_cast<size_t>(l)];
    const auto layer = layers.find(number);
    const int found = layer == layers.end() ? 0 : layer->second.rbegin()->first + 1;
    if (found != count) {
      return fail("{}: layer {}: expected {} experts, as the model has, found {}",
                  printable(hot.trace), number, found, count);
    }
    for (const int expert : most_used(uses(trace, l), hot.share)) {
      const auto matrices = layer->second.find(expert);
      if (matrices == layer->second.end()) continue;
      for (const Tensor& tensor : matrices->second) {
        if (is_quantised({std::string(tensor.name), tensor.size}))
          rules.push_back({std::string(tensor.name), hot.type});
      }
    }
  }
  return rules;
}

}  // namespace issun::quantize
