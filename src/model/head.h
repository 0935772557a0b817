// What follows the pooled vector of a text: further matrices of an embedding model, or a
// classifier's head.
#pragma once

#include <span>
#include <vector>

#include "base/threads.h"
#include "kernels/linear.h"
#include "model/config.h"
#include "model/weights.h"

namespace issun::model {

class Head {
 public:
  // All must outlive the result. `classifies`: the classifier's part runs as well, if the file has
  // one. Error: memory, or a tensor type that `kernels` cannot compute.
  static Result<Head> create(const ModelConfig& config, const Weights& weights,
                             const kernels::KernelTable& kernels, Workers& workers,
                             bool classifies);

  // (embedding) -> what the model gives for a text, or a classifier's scores; in F32 throughout.
  // Valid until the next call.
  std::span<const float> run(std::span<const float> pooled);

 private:
  Head(const ModelConfig& config, const HeadWeights& weights, const kernels::KernelTable& kernels,
       Workers& workers, bool classifies)
      : config_(&config),
        weights_(&weights),
        kernels_(&kernels),
        workers_(&workers),
        classifies_(classifies) {}
  void apply(const Linear& linear);
  void classify();

  const ModelConfig* config_;
  const HeadWeights* weights_;
  const kernels::KernelTable* kernels_;
  Workers* workers_;
  bool classifies_;
  kernels::LinearScratch scratch_;
  std::vector<float> vector_, next_;
};

}  // namespace issun::model
