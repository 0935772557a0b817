#include "measure/synth.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "gguf/writer.h"
#include "measure/random_rows.h"
#include "measure/synthetic_vocabulary.h"

namespace issun::measure {

namespace {

constexpr int64_t kChunkBytes = 1 << 20;

// A tensor's numbers depend on the seed and its name alone. FNV-1a.
uint64_t seed_of(std::string_view name, uint64_t seed) {
  uint64_t hash = 0xcbf29ce484222325 ^ seed;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

Result<void> append_floats(gguf::GgufWriter& writer, std::span<const float> values) {
  return writer.append(std::as_bytes(values));
}

// Gains of norms about 1, biases about 0.
Result<void> write_vector(gguf::GgufWriter& writer, const quantize::PlannedTensor& tensor,
                          Random& random) {
  const double middle = tensor.name.ends_with(".bias") ? 0 : 1;
  std::vector<float> values;
  for (int64_t i = 0; i < tensor.size[0]; ++i)
    values.push_back(static_cast<float>(middle + random.uniform(-0.25, 0.25)));
  return append_floats(writer, values);
}

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
    gguf::GgufWriter writer = TRY(gguf::GgufWriter::create(path));
    TRY(write_keys(shape_, file_type_, writer));
    TRY(write_keys(TRY(make_vocabulary(shape_.vocabulary)), writer));
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

  Result<void> write_tensor(const quantize::PlannedTensor& tensor, DType type,
                            gguf::GgufWriter& writer) {
    Random random(seed_of(tensor.name, options_.seed));
    if (tensor.name == "rope_freqs.weight") return append_floats(writer, rope_factors(shape_));
    if (rows(tensor) == 1) return write_vector(writer, tensor, random);
    return write_matrix(tensor, type, random, writer);
  }

  Result<void> write_matrix(const quantize::PlannedTensor& tensor, DType type, Random& random,
                            gguf::GgufWriter& writer) {
    const double deviation = 1 / std::sqrt(static_cast<double>(tensor.size[0]));
    const int64_t one_row = row_bytes(type, tensor.size[0]);
    const int64_t rows_at_once = std::max<int64_t>(1, kChunkBytes / one_row);
    for (int64_t r = 0; r < rows(tensor); r += rows_at_once) {
      chunk_.resize(static_cast<size_t>(std::min(rows_at_once, rows(tensor) - r) * one_row));
      fill_rows(type, deviation, random, chunk_);
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
  std::vector<std::byte> chunk_;
  int64_t written_ = 0;
};

}  // namespace

Result<SynthReport> write_synthetic(const Shape& shape, const quantize::FileType& file_type,
                                    const std::string& path, const SynthOptions& options) {
  return Synthesis(shape, file_type, options).write(path);
}

}  // namespace issun::measure
