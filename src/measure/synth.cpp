#include "measure/synth.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/fnv.h"
#include "base/threads.h"
#include "gguf/writer.h"
#include "measure/random_rows.h"
#include "measure/synth_spread.h"
#include "measure/synthetic_vocabulary.h"
#include "tensor/codec.h"
#include "tokenizer/tokenizer.h"

namespace issun::measure {

namespace {

constexpr int64_t kChunkBytes = 1 << 20;

// A tensor's numbers depend on the seed and its name alone. FNV-1a.
uint64_t seed_of(std::string_view name, uint64_t seed) {
  return fnv1a(std::as_bytes(std::span(name)), kFnvStart ^ seed);
}

Result<void> append_floats(gguf::GgufWriter& writer, std::span<const float> values) {
  return writer.append(std::as_bytes(values));
}

std::vector<float> vector_values(const WeightSpread& spread, int64_t size, Random& random) {
  std::vector<float> values;
  for (int64_t i = 0; i < size; ++i) {
    values.push_back(
        static_cast<float>(spread.middle + random.uniform(-kVectorSpread, kVectorSpread)));
  }
  return values;
}

std::string router_name(int layer) { return fmt::format("blk.{}.ffn_gate_inp.weight", layer); }

// The layer whose router this is, or -1.
int routed_layer(std::string_view name) {
  if (!name.ends_with("ffn_gate_inp.weight")) return -1;
  return std::atoi(name.data() + std::string_view("blk.").size());
}

// The embeddings that routers are fitted to, caught on their way to the file.
class EmbeddingCatcher {
 public:
  EmbeddingCatcher(std::span<const int32_t> tokens, int64_t width)
      : width_(width), rows_(tokens.size() * static_cast<size_t>(width)) {
    for (size_t t = 0; t < tokens.size(); ++t) places_[tokens[t]] = t;
  }
  // Rows [first, ...) of the table, as the file will have them.
  void see(int64_t first, DType type, std::span<const std::byte> rows) {
    const auto one = static_cast<size_t>(row_bytes(type, width_));
    for (size_t r = 0; r < rows.size() / one; ++r) {
      const auto place = places_.find(static_cast<int32_t>(first + static_cast<int64_t>(r)));
      if (place == places_.end()) continue;
      decode_row(type, rows.data() + r * one, width_,
                 rows_.data() + place->second * static_cast<size_t>(width_));
    }
  }
  std::span<const float> rows() const { return rows_; }

 private:
  const int64_t width_;
  std::unordered_map<int32_t, size_t> places_;
  std::vector<float> rows_;
};

class Synthesis {
 public:
  Synthesis(const Shape& shape, const quantize::FileType& file_type, const SynthOptions& options)
      : shape_(shape),
        file_type_(file_type),
        options_(options),
        tensors_(planned_tensors(shape)),
        types_(quantize::mixture(file_type, mixture_facts(shape), tensors_)) {}

  Result<SynthReport> write(const std::string& path) {
    count();
    import::Keys vocabulary(shape_.architecture);
    TRY(set_vocabulary(vocabulary));
    if (options_.routing != nullptr) TRY(plan_routers(vocabulary));
    gguf::GgufWriter writer = TRY(gguf::GgufWriter::create(path));
    TRY(write_keys(shape_, file_type_, writer));
    TRY(vocabulary.write(writer));
    for (size_t i = 0; i < tensors_.size(); ++i) {
      TRY(writer.add_tensor(tensors_[i].name, types_[i],
                            gguf::without_trailing_ones(tensors_[i].size)));
    }
    for (size_t i = 0; i < tensors_.size(); ++i) TRY(write_tensor(tensors_[i], types_[i], writer));
    TRY(writer.finish());
    return report_;
  }

 private:
  static int64_t rows(const quantize::PlannedTensor& tensor) {
    return tensor.size[1] * tensor.size[2] * tensor.size[3];
  }

  void count() {
    for (size_t i = 0; i < tensors_.size(); ++i) {
      const quantize::PlannedTensor& tensor = tensors_[i];
      ++report_.tensors;
      report_.parameters += tensor.size[0] * rows(tensor);
      report_.weight_bytes += rows(tensor) * row_bytes(types_[i], tensor.size[0]);
    }
  }

  Result<void> set_vocabulary(import::Keys& keys) const {
    if (options_.vocabulary == nullptr) {
      set_vocabulary_keys(TRY(make_vocabulary(shape_.vocabulary)), keys);
      return {};
    }
    const size_t size = options_.vocabulary->tokens.size();
    if (size != static_cast<size_t>(shape_.vocabulary)) {
      return fail("vocabulary: expected {} tokens, found {}", shape_.vocabulary, size);
    }
    import::set_vocabulary_keys(*options_.vocabulary, keys);
    return {};
  }

  Result<void> plan_routers(const import::Keys& vocabulary) {
    if (shape_.extras.experts == 0) {
      return fail("{}: expected a shape with experts for routing, found none", shape_.name);
    }
    const SynthRouting& routing = *options_.routing;
    const RouterShape shape{.layers = shape_.layers,
                            .experts = shape_.extras.experts,
                            .used = shape_.extras.experts_used,
                            .embedding = shape_.embedding,
                            .vocabulary = shape_.vocabulary};
    if (!routing.text) {
      routers_ = TRY(Routers::plan(routing.counts, shape));
    } else {
      const gguf::Metadata metadata = vocabulary.metadata();
      const auto tokenizer = TRY(tokenizer::Tokenizer::create(metadata));
      routers_ = TRY(Routers::plan(
          moved_by_rank(routing.counts, TRY(tokenizer.encode(*routing.text))), shape));
    }
    embeddings_.emplace(routers_->tokens(), shape_.embedding);
    report_.routed_tokens = static_cast<int64_t>(routers_->tokens().size());
    return {};
  }

  Result<void> write_tensor(const quantize::PlannedTensor& tensor, DType type,
                            gguf::GgufWriter& writer) {
    if (tensor.name == "rope_freqs.weight") return append_floats(writer, rope_factors(shape_));
    if (routers_ && routed_layer(tensor.name) >= 0) return write_router(tensor, writer);
    if (rows(tensor) == 1) return append_floats(writer, vector_of(tensor.name, tensor.size[0]));
    return write_matrix(tensor, type, writer);
  }

  std::vector<float> vector_of(const std::string& name, int64_t size) const {
    Random random(seed_of(name, options_.seed));
    return vector_values(spread_of({name, {size, 1, 1, 1}}, shape_, routers_.has_value()), size,
                         random);
  }

  Result<void> write_router(const quantize::PlannedTensor& tensor, gguf::GgufWriter& writer) {
    if (!fitted_) {
      const auto workers = TRY(Workers::create(default_thread_count()));
      TRY(routers_->fit(embeddings_->rows(), *workers));
      embeddings_.reset();
      fitted_ = true;
    }
    const int layer = routed_layer(tensor.name);
    const std::vector<float> gains =
        vector_of(fmt::format("blk.{}.ffn_norm.weight", layer), shape_.embedding);
    return append_floats(writer, routers_->rows(layer, router_seed(layer, options_.seed), gains));
  }

  Result<void> write_matrix(const quantize::PlannedTensor& tensor, DType type,
                            gguf::GgufWriter& writer) {
    Random random(seed_of(tensor.name, options_.seed));
    const double deviation = spread_of(tensor, shape_, routers_.has_value()).deviation;
    const int64_t one_row = row_bytes(type, tensor.size[0]);
    const int64_t rows_at_once = std::max<int64_t>(1, kChunkBytes / one_row);
    for (int64_t r = 0; r < rows(tensor); r += rows_at_once) {
      chunk_.resize(static_cast<size_t>(std::min(rows_at_once, rows(tensor) - r) * one_row));
      fill_rows(type, deviation, random, chunk_);
      if (embeddings_ && tensor.name == "token_embd.weight") embeddings_->see(r, type, chunk_);
      TRY(writer.append(chunk_));
      written_ += static_cast<int64_t>(chunk_.size());
      if (options_.progress) options_.progress(written_, report_.weight_bytes);
    }
    return {};
  }

  const Shape& shape_;
  const quantize::FileType& file_type_;
  const SynthOptions& options_;
  const std::vector<quantize::PlannedTensor> tensors_;
  const std::vector<DType> types_;
  SynthReport report_;
  std::optional<Routers> routers_;              // with routing
  std::optional<EmbeddingCatcher> embeddings_;  // until the routers are fitted
  bool fitted_ = false;
  std::vector<std::byte> chunk_;
  int64_t written_ = 0;
};

}  // namespace

Result<SynthReport> write_synthetic(const Shape& shape, const quantize::FileType& file_type,
                                    const std::string& path, const SynthOptions& options) {
  return Synthesis(shape, file_type, options).write(path);
}

uint64_t router_seed(int layer, uint64_t seed) { return seed_of(router_name(layer), seed); }

}  // namespace issun::measure
