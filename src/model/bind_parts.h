// The tensors of the parts that few architectures have. `block`: how the names of a layer begin.
#pragma once

#include <string>

#include "model/binder.h"

namespace issun::model {

Result<RecurrentWeights> bind_recurrent(const Binder& bind, const ModelConfig& config,
                                        const LayerConfig& layer, const std::string& block);
Result<LatentWeights> bind_latent(const Binder& bind, const ModelConfig& config,
                                  const LayerConfig& layer, const std::string& block);
Result<LayerInputWeights> bind_layer_inputs(const Binder& bind, const ModelConfig& config);
Result<LayerInputPart> bind_layer_input(const Binder& bind, const ModelConfig& config,
                                        const std::string& block);
Result<StreamWeights> bind_streams(const Binder& bind, const ModelConfig& config,
                                   const std::string& block);

}  // namespace issun::model
