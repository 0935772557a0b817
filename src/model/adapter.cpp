#include "model/adapter.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/quote.h"
#include "gguf/value.h"

namespace issun::model {

namespace {

constexpr int64_t kLargestRank = 1 << 14;

struct Pair {
  Tensor a, b;
  float scale = 1;
  int users = 0;  // matrices of the weights that lie in the tensor
};

class Reader {
 public:
  Reader(const Model& model, const gguf::GgufFile& file, float scale)
      : model_(model), file_(file), scale_(scale) {}

  // By the name of the model's tensor.
  Result<std::map<std::string, Pair>> read() {
    TRY(check_kind());
    std::map<std::string, Pair> pairs;
    for (const Tensor& tensor : file_.tensors()) {
      const std::string_view name = tensor.name;
      const bool a = name.ends_with(".lora_a"), b = name.ends_with(".lora_b");
      if (!a && !b) {
        return fail("{}: expected a name that ends in .lora_a or .lora_b", printable(name));
      }
      Pair& pair = pairs[std::string(name.substr(0, name.size() - 7))];
      (a ? pair.a : pair.b) = tensor;
    }
    if (pairs.empty()) return fail("expected pairs of matrices, found none");
    for (auto& [name, pair] : pairs) {
      if (const Result<void> sound = check(name, pair); !sound) {
        return fail("{}: {}", printable(name), sound.error().message);
      }
    }
    return pairs;
  }

 private:
  Result<void> check_kind() {
    const auto text = [&](const char* key) {
      return file_.metadata().require<std::string_view>(key);
    };
    const std::string_view type = TRY(text("general.type")), kind = TRY(text("adapter.type"));
    if (type != "adapter") {
      return fail("general.type: expected adapter, found {}", printable(type));
    }
    if (kind != "lora") return fail("adapter.type: expected lora, found {}", printable(kind));
    const std::string_view architecture = TRY(text("general.architecture"));
    const auto own = TRY(model_.file.metadata().require<std::string_view>("general.architecture"));
    if (architecture != own) {
      return fail("general.architecture: expected that of the model, {}, found {}", printable(own),
                  printable(architecture));
    }
    if (file_.metadata().has("adapter.alora.invocation_tokens")) {
      return fail(
          "adapter.alora.invocation_tokens: expected an adapter that is always on, found "
          "one that waits for tokens");
    }
    alpha_ = TRY(file_.metadata().value_or<double>("adapter.lora.alpha", 0));
    if (std::isfinite(alpha_) && std::isfinite(scale_)) return {};
    return fail("adapter.lora.alpha: expected a number");
  }

  Result<void> check(const std::string& name, Pair& pair) const {
    const Tensor base = model_.file.find(name);
    if (!base) return fail("expected a tensor of the model, which has no such one");
    if (!pair.a || !pair.b) return fail("expected both .lora_a and .lora_b, found one");
    for (const Tensor& matrix : {pair.a, pair.b}) {
      const bool plain =
          matrix.type == DType::F32 || matrix.type == DType::F16 || matrix.type == DType::BF16;
      if (!plain) {
        return fail("expected F32, F16 or BF16, found {}", issun::name(matrix.type));
      }
    }
    const int64_t rank = pair.b.columns();
    if (pair.a.rows() != rank || rank > kLargestRank || pair.a.columns() != base.columns() ||
        pair.b.rows() != base.rows()) {
      return fail(
          "expected {} columns, {} rows and one rank of at most {}, found a of {} x {} and "
          "b of {} x {}",
          base.columns(), base.rows(), kLargestRank, pair.a.rows(), pair.a.columns(), pair.b.rows(),
          rank);
    }
    // Without an alpha the product counts as it is.
    pair.scale =
        alpha_ == 0 ? scale_ : static_cast<float>(scale_ * alpha_ / static_cast<double>(rank));
    return {};
  }

  const Model& model_;
  const gguf::GgufFile& file_;
  const float scale_;
  double alpha_ = 0;
};

// The rows of b that belong to a matrix which is all of `base`, or some of its rows.
LowRank part_for(const Linear& linear, const Tensor& base, const Pair& pair, int adapter) {
  LowRank part{pair.a, pair.b, pair.scale, adapter};
  const int64_t first = (linear.weight.data - base.data) / base.row_bytes();
  part.b.size = {pair.b.columns(), linear.weight.rows(), 1, 1};
  part.b.data = pair.b.row(first);
  return part;
}

Result<void> add(Model& model, const gguf::GgufFile& file, float scale) {
  auto pairs = TRY(Reader(model, file, scale).read());
  const auto pair_of = [&](const Linear& linear) -> Pair* {
    if (!linear.weight) return nullptr;
    const auto found = pairs.find(std::string(linear.weight.name));
    return found == pairs.end() ? nullptr : &found->second;
  };
  model.weights.each_adaptable([&](Linear& linear) {
    if (Pair* pair = pair_of(linear)) ++pair->users;
  });
  for (const auto& [name, pair] : pairs) {
    if (pair.users > 0) continue;
    return fail(
        "{}: expected a matrix of attention, of a plain feed-forward part or of the output;"
        " this one cannot be added to",
        printable(name));
  }
  AdapterSizes& sizes = model.weights.adapter_sizes;
  model.weights.each_adaptable([&](Linear& linear) {
    const Pair* pair = pair_of(linear);
    if (pair == nullptr) return;
    linear.adapters.push_back(part_for(linear, model.file.find(linear.weight.name), *pair,
                                       static_cast<int>(model.adapters.size())));
    sizes.rank = std::max(sizes.rank, pair->a.rows());
    sizes.outputs = std::max(sizes.outputs, linear.weight.rows());
  });
  ++sizes.count;
  return {};
}

}  // namespace

Result<void> add_adapter(Model& model, gguf::GgufFile file, std::string_view name, float scale) {
  if (const Result<void> added = add(model, file, scale); !added) {
    return fail("{}: {}", name, added.error().message);
  }
  model.adapters.push_back(std::move(file));
  return {};
}

Result<void> write_adapter_keys(std::string_view architecture, double alpha,
                                gguf::GgufWriter& writer) {
  TRY(writer.set("general.type", gguf::make_string("adapter")));
  TRY(writer.set("general.architecture", gguf::make_string(architecture)));
  TRY(writer.set("adapter.type", gguf::make_string("lora")));
  return writer.set("adapter.lora.alpha", gguf::make_f32(static_cast<float>(alpha)));
}

}  // namespace issun::model
