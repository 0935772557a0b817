// The causal convolution of each channel that recurrent layers look a few tokens back with.
#pragma once

#include "tensor/tensor.h"

namespace issun::model {

struct Pass;

struct Convolution {
  const Tensor& taps;  // (channels, taps)
  const Tensor& bias;  // (channels), or none
  bool silu = false;   // of what comes out
};

// The rows (rows, channels) in place, each sequence after what its state has of it; afterwards the
// states have what the next rows need.
void convolve(const Pass& pass, int l, const Convolution& convolution, const Matrix<float>& rows);

}  // namespace issun::model
