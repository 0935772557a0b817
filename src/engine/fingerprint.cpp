#include "engine/fingerprint.h"

#include <algorithm>

#include "base/fnv.h"
#include "model/rope.h"

namespace issun::engine {

namespace {

constexpr int64_t kSample = 64;
// Counted up when the bits that a model computes become others (2: quantised caches stay bytes;
// 3: prompts round to bf16 before weights of BF16; 4: they attend in words).
constexpr int32_t kArithmetic = 4;

class Fingerprint {
 public:
  void add(std::string_view text) {
    number(static_cast<int64_t>(text.size()));
    hash_ = fnv1a(std::as_bytes(std::span(text)), hash_);
  }
  template <class T>
  void number(T value) {
    hash_ = fnv1a(std::as_bytes(std::span(&value, 1)), hash_);
  }
  void add(const gguf::Value& value) {
    number(static_cast<int32_t>(value.type));
    std::visit([this](const auto& data) { one(data); }, value.data);
  }
  void add(const gguf::GgufFile& file) {
    for (const gguf::Metadata::Entry& entry : file.metadata().entries()) {
      add(entry.key);
      add(entry.value);
    }
    for (const Tensor& tensor : file.tensors()) add(tensor);
  }
  uint64_t value() const { return hash_; }

 private:
  void add(const Tensor& tensor) {
    add(tensor.name);
    number(static_cast<int32_t>(tensor.type));
    for (const int64_t size : tensor.size) number(size);
    const int64_t bytes = tensor.bytes(), sample = std::min(bytes, kSample);
    for (const int64_t at : {int64_t{0}, (bytes - sample) / 2, bytes - sample})
      hash_ = fnv1a({tensor.data + at, static_cast<size_t>(sample)}, hash_);
  }
  void one(std::string_view text) { add(text); }
  template <class T>
  void one(T scalar) {
    number(scalar);
  }
  template <class T>
  void one(const std::vector<T>& list) {
    number(static_cast<int64_t>(list.size()));
    for (const T& element : list) one(element);
  }

  uint64_t hash_ = kFnvStart;
};

// Which of the file's factors hold is chosen by the longest context.
void add_rotation(const model::Model& model, int64_t context, Fingerprint& fingerprint) {
  for (const model::RopeConfig& rope : model.config.ropes) {
    const auto factors = model::rope_factors(rope, model.weights, context);
    fingerprint.number(static_cast<int64_t>(factors.size()));
    for (const float factor : factors) fingerprint.number(factor);
  }
}

// What stands in for weights that are not in memory.
void add_missing(const RuntimeOptions& options, Fingerprint& fingerprint) {
  const model::ResidencyOptions& residency = options.residency;
  const bool streams = residency.weight_bytes > 0;
  const model::Missing missing = streams ? residency.missing : model::Missing::Exact;
  fingerprint.number(static_cast<int32_t>(missing));
  if (missing == model::Missing::Bias) fingerprint.number(residency.bias);
  if (missing == model::Missing::Skip) fingerprint.number(residency.least_share);
  if (missing == model::Missing::Twin && options.twin != nullptr)
    fingerprint.add(options.twin->file);
}

}  // namespace

uint64_t fingerprint_of(const model::Model& model, std::string_view kernels,
                        const RuntimeOptions& options) {
  Fingerprint fingerprint;
  fingerprint.add(model.file);
  for (const gguf::GgufFile& adapter : model.adapters) fingerprint.add(adapter);
  fingerprint.add(kernels);
  fingerprint.number(kArithmetic);
  fingerprint.number(options.exact);
  fingerprint.number(options.rotates_keys());
  fingerprint.number(options.rotates_values());
  add_rotation(model, options.context, fingerprint);
  add_missing(options, fingerprint);
  return fingerprint.value();
}

uint64_t fingerprint_of(Runtime& runtime) {
  return fingerprint_of(runtime.model(), runtime.kernels().name, runtime.options());
}

}  // namespace issun::engine
