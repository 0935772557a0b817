// The tensors of a layer that carries a state.
#pragma once

#include <string>

#include "model/binder.h"

namespace issun::model {

// `block`: how the names begin.
Result<RecurrentWeights> bind_recurrent(const Binder& bind, const ModelConfig& config,
                                        const LayerConfig& layer, const std::string& block);

}  // namespace issun::model
