// The numbers that training changes. They lie one after another in an arena of F32, and the weights
// of the model are seen there afterwards, so that forward and backward passes read what the
// optimiser writes. Gradients and moments lie alike. Not here: how they change (optimiser.h).
#pragma once

#include <array>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/memory.h"
#include "base/threads.h"
#include "gguf/reader.h"
#include "kernels/kernels.h"
#include "model/config.h"
#include "model/weights.h"
#include "tensor/tensor.h"

namespace issun::train {

// A tensor of the arena.
struct Parameter {
  std::string_view name;
  std::array<int64_t, 4> size{1, 1, 1, 1};  // row length first
  int64_t first = 0;                        // its place, in floats
  bool decays = false;                      // matrices do; norms and biases do not
  int64_t count() const { return size[0] * size[1] * size[2] * size[3]; }
  // In a file whose matrices are of type `matrices`: F32 for vectors, and where rows are no whole
  // blocks of it.
  DType stored_as(DType matrices) const;
};

// What low-rank training adds: W x + alpha / rank * B (A x).
struct AdapterOptions {
  int rank = 8;
  double alpha = 16;
  // Parts of names of matrices, such as "attn_q"; empty: all that adapters may add to.
  std::vector<std::string> targets = {};
  uint64_t seed = 1;
};

class Parameters {
 public:
  // Every tensor of the network, decoded to F32. Error: a tensor whose type cannot be decoded, or
  // memory. The file must outlive the result, and the weights need the result from then on.
  static Result<Parameters> whole(const gguf::GgufFile& file, model::Weights& weights,
                                  const kernels::KernelTable& kernels);
  // Adapters beside the matrices, which stay frozen in the file's own types. A is random (uniform,
  // as in Kaiming's rule with sqrt(5)), B is zero, so the network begins as it is. Error: a target
  // that names no matrix; a matrix that the file keeps fused with others; memory.
  static Result<Parameters> adapters(const gguf::GgufFile& file, model::Weights& weights,
                                     const AdapterOptions& options);

  // From now on the network computes with what `type` makes of its matrices, while what is learnt
  // keeps all its digits: gradients pass through the rounding as if it were not there (Bengio,
  // Leonard and Courville, 2013, "Estimating or Propagating Gradients Through Stochastic Neurons";
  // Jacob et al., 2018, section 3). Error: a type that cannot be encoded, or memory.
  Result<void> train_rounded(DType type, Workers& workers);
  // Writes values() anew after learnt() was changed; nothing where nothing is rounded.
  void round(Workers& workers) const;

  // Bytes of values, gradients and two moments, and of what is rounded.
  int64_t bytes() const { return values_.bytes() * 4 + unrounded_.bytes(); }
  int64_t count() const;  // without the padding between tensors

  std::span<const Parameter> list() const { return list_; }
  std::span<float> values() const { return values_.as<float>(); }  // what the network reads
  std::span<float> learnt() const { return rounded_ ? unrounded_.as<float>() : values(); }
  std::span<float> gradients() const { return gradients_.as<float>(); }
  std::span<float> first_moments() const { return first_.as<float>(); }
  std::span<float> second_moments() const { return second_.as<float>(); }
  std::span<float> values_of(const Parameter& p) const {
    return values().subspan(static_cast<size_t>(p.first), static_cast<size_t>(p.count()));
  }
  std::span<float> learnt_of(const Parameter& p) const {
    return learnt().subspan(static_cast<size_t>(p.first), static_cast<size_t>(p.count()));
  }
  std::span<float> gradients_of(const Parameter& p) const {
    return gradients().subspan(static_cast<size_t>(p.first), static_cast<size_t>(p.count()));
  }

  // Where the gradient of a tensor of the network lies, laid out as the tensor; nullptr when the
  // tensor is frozen or there is none.
  float* gradient(const Tensor& tensor) const;

 private:
  Parameter& add(std::string_view name, const std::array<int64_t, 4>& size);
  Result<void> allocate();

  std::vector<Parameter> list_;
  std::deque<std::string> names_;  // of adapters: those of the model are the file's
  int64_t floats_ = 0;
  AlignedBuffer values_, gradients_, first_, second_;
  std::optional<DType> rounded_;
  AlignedBuffer unrounded_;  // what is learnt, where values are rounded
};

// Error: facts of a network whose gradients training cannot compute.
Result<void> check_trainable(const model::ModelConfig& config);

}  // namespace issun::train
