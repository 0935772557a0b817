// One layer: a half that mixes tokens, a half that works on each by itself, and the norms between
// them.
#pragma once

#include "model/layer/pass.h"

namespace issun::model {

// Adds what layer l has to say to buffers.residual.
void run_layer(const Pass& pass, int l);

}  // namespace issun::model
