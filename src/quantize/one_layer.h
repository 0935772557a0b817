// A network one layer at a time over the same text: what each layer reads is kept, so that a layer
// whose weights change is run again without those below it.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/threads.h"
#include "model/forward.h"
#include "model/model.h"

namespace issun::quantize {

class OneLayer {
 public:
  // Windows of `window` tokens that know nothing of each other, each a row of `tokens`: (windows,
  // window). The model, the workers and the kernels outlive this. Error: a network whose layers are
  // more than a way from rows to rows (which is named), or memory.
  static Result<std::unique_ptr<OneLayer>> create(const model::Model& model,
                                                  std::span<const int32_t> tokens, int window,
                                                  const kernels::KernelTable& kernels,
                                                  Workers& workers);
  // Runs layer l with these weights over all windows, or the first of them, activations in F32.
  Result<void> look(int l, const model::LayerWeights& weights, model::ProductObserver* observer,
                    bool first_only = false);
  // The same, and what it gives is what the next layer reads.
  Result<void> advance(int l, const model::LayerWeights& weights);
  int64_t windows() const;
  int64_t tokens() const { return windows() * window_; }

 private:
  OneLayer(const model::Model& model, int window, const kernels::KernelTable& kernels,
           Workers& workers)
      : model_(model), window_(window), kernels_(kernels), workers_(workers) {}
  Result<void> embed(std::span<const int32_t> tokens);
  Result<void> run(int l, const model::LayerWeights& weights, model::ProductObserver* observer,
                   int64_t windows, bool keep);

  const model::Model& model_;
  const int window_;
  const kernels::KernelTable& kernels_;
  Workers& workers_;
  std::vector<float> rows_;  // (windows, window, embedding)
};

}  // namespace issun::quantize
