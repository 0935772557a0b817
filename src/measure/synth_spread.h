// How widely the random weights of each tensor are spread.
#pragma once

#include <string_view>

#include "measure/shape.h"

namespace issun::measure {

// Of a tensor's numbers. Gains of norms and biases lie evenly within kVectorSpread of their middle.
struct WeightSpread {
  double middle = 0;     // of vectors
  double deviation = 0;  // of matrices
};
constexpr double kVectorSpread = 0.25;

// routed: token embeddings decide over the choice of experts in all layers, so the layers together
// add kContextPower of their power to them.
WeightSpread spread_of(const quantize::PlannedTensor& tensor, const Shape& shape, bool routed);

}  // namespace issun::measure
