// Where columns of a layer's matrices can be stretched for nothing: what is multiplied into a
// column is divided out of what gives its input, and in exact arithmetic the network stays the
// same.
#pragma once

#include <string>
#include <vector>

#include "model/config.h"
#include "model/weights.h"

namespace issun::quantize {

struct Fold {
  std::vector<Tensor> readers;  // (rows, n) each: columns times s
  // n numbers each, divided by s: gains of a norm, biases.
  std::vector<Tensor> vectors;
  Tensor giver;  // none, or a matrix (n, columns): rows divided by s
};

struct Folds {
  std::vector<Fold> folds;
  std::vector<std::string> notes;  // what stays as it is, and why
};

// Of layer l.
Folds folds_of(const model::ModelConfig& config, const model::LayerWeights& weights, int l);

}  // namespace issun::quantize
