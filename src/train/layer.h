// One layer of the network, forward and backward.
#pragma once

#include "train/pass.h"

namespace issun::train {

// From tape(l).in, the residual, to `out`, the residual of the next layer. Fills the tape.
void run_layer(const Pass& pass, int l, const Matrix<float>& out);
// rooms.d_residual: from the gradient of what the layer gave to that of what it read. The tape is
// spent. `balance` is the factor of the balance loss of mixtures.
void run_layer_back(const Pass& pass, int l, double balance);

}  // namespace issun::train
