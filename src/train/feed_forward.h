// The half of a layer that looks at each token by itself, forward and backward.
#pragma once

#include "train/pass.h"

namespace issun::train {

// (rows, embedding) -> (rows, embedding), by layer l; fills its tape.
void feed_forward(const Pass& pass, int l, const Matrix<float>& in, const Matrix<float>& out);
// From d_out; writes d_in. The tape holds gradients afterwards.
void feed_forward_back(const Pass& pass, int l, const Matrix<float>& in, const Matrix<float>& d_out,
                       const Matrix<float>& d_in);

// out = act(gate) * up, or act(up) where there is no gate.
void activate(const Pass& pass, model::Activation activation, const Matrix<float>& gate,
              const Matrix<float>& up, const Matrix<float>& out);
// Writes the gradients of gate and up upon them.
void activate_back(const Pass& pass, model::Activation activation, const Matrix<float>& d_out,
                   const Matrix<float>& gate, const Matrix<float>& up);

}  // namespace issun::train
