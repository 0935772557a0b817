// The forward pass of a decoder: a loop over its layers (layer/layer.h). All memory is planned at
// creation; run() neither allocates nor locks, and fails only where weights come from the disk.
#pragma once

#include <memory>
#include <vector>

#include "base/threads.h"
#include "kernels/kernels.h"
#include "kernels/linear.h"
#include "model/config.h"
#include "model/decoder.h"
#include "model/observer.h"
#include "model/profile.h"
#include "model/residency.h"
#include "model/rope.h"
#include "model/weights.h"

namespace issun::model {

struct Buffers;
struct Pass;

struct ForwardOptions {
  AdapterSizes adapters = {};  // of the weights

  int max_rows = 512;  // tokens of one batch
  int max_sequences = 1;
  int max_outputs = 1;     // rows of logits of one batch
  int64_t context = 4096;  // longest sequence, in tokens
  bool exact = false;      // F32 activations everywhere, also against quantised weights
  // Rows are multiplied by a Hadamard matrix (cache/hadamard.h) before they go to the cache, and
  // what is made of them is multiplied back.
  bool rotate_keys = false, rotate_values = false;
  bool hidden = false;                  // run() gives the rows after the last norm, not logits
  ProductObserver* observer = nullptr;  // of all that run() multiplies; outlives the pass
  RoutingObserver* routing = nullptr;   // of what mixtures choose; likewise
  Profile* profile = nullptr;           // of where the time goes; likewise
  // What experts are guessed needs room: where some come and go, or somebody looks.
  bool guesses = false;
};

class Forward final : public Decoder {
 public:
  // Bytes that create() asks for, without the cache.
  static int64_t planned_bytes(const ModelConfig& config, const kernels::KernelTable& kernels,
                               const ForwardOptions& options, int workers);
  // config, weights, kernels and workers must outlive the result. Error: memory, or a tensor type
  // that `kernels` cannot compute.
  static Result<std::unique_ptr<Forward>> create(const ModelConfig& config, const Weights& weights,
                                                 const kernels::KernelTable& kernels,
                                                 Workers& workers, const ForwardOptions& options);
  ~Forward() override;
  // From now on these weights come and go, or will once the cache has grown. The residency outlives
  // the pass, whose options have `guesses`.
  void set_residency(Residency& residency) { residency_ = &residency; }

  int vocabulary_size() const override { return config_.vocabulary_size; }
  int max_rows() const override { return options_.max_rows; }
  int max_sequences() const override { return options_.max_sequences; }
  int max_outputs() const override { return options_.max_outputs; }
  bool computes_alike(int rows, int other) const override;
  int64_t context() const override { return options_.context; }
  Result<Matrix<const float>> run(const Batch& batch, cache::PagedKv& cache) override;
  int adapters() const override { return options_.adapters.count; }
  void scale_adapters(std::span<const float> scales) override;

 private:
  Forward(const ModelConfig& config, const Weights& weights, const kernels::KernelTable& kernels,
          Workers& workers, const ForwardOptions& options);

  // What stands before and after the layers, in order.
  void place(const Pass& pass) const;
  void embed(const Pass& pass) const;
  Result<void> run_one(const Pass& pass, int l) const;
  Matrix<float> hidden(const Pass& pass) const;
  Matrix<const float> logits(const Pass& pass, const Matrix<float>& hidden) const;

  const ModelConfig& config_;
  const Weights& weights_;
  const kernels::KernelTable& kernels_;
  Workers& workers_;
  const ForwardOptions options_;
  Residency* residency_ = nullptr;
  std::vector<Rope> ropes_;            // as config.ropes
  std::vector<float> adapter_scales_;  // by adapter
  kernels::LinearScratch scratch_;
  std::unique_ptr<Buffers> buffers_;
};

}  // namespace issun::model
