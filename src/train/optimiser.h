// From gradients to new weights: AdamW with clipping, and what it does with numbers that are none.
#pragma once

#include <string_view>

#include "base/threads.h"
#include "kernels/kernels.h"
#include "train/parameters.h"

namespace issun::train {

// Loshchilov and Hutter, 2019, "Decoupled Weight Decay Regularization", algorithm 2; bias-corrected
// as in Adam, epsilon outside of the root.
struct AdamwOptions {
  double beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8;
  double weight_decay = 0.1;  // of matrices; norms and biases do not decay
  double clip = 1;            // the largest norm of all gradients together; 0: none
};

struct StepReport {
  double gradient_norm = 0;  // before clipping
  bool clipped = false;
  // Whether the weights were changed. They are not where a gradient is infinite or no number.
  bool taken = false;
  std::string_view unsound;  // then the first tensor with such a gradient
};

class Optimiser {
 public:
  Optimiser(Parameters& parameters, const kernels::KernelTable& kernels, Workers& workers,
            const AdamwOptions& options)
      : parameters_(parameters), kernels_(kernels), workers_(workers), options_(options) {}

  // One step down the gradients, which are zero afterwards.
  StepReport step(double learning_rate);

  // Steps taken so far, which the correction of the moments' bias depends on; set when resuming.
  int64_t taken = 0;

 private:
  double gradient_norm() const;
  template <class Body>
  void each_piece(Body&& body) const;

  Parameters& parameters_;
  const kernels::KernelTable& kernels_;
  Workers& workers_;
  const AdamwOptions options_;
};

// The first tensor with a gradient that is infinite or no number; empty if there is none.
std::string_view first_unsound_gradient(const Parameters& parameters,
                                        const kernels::KernelTable& kernels);

}  // namespace issun::train
