// The tensors of the parts that few architectures have. `block`: how the names of a layer begin.
#pragma once

#include <string>
#include <vector>

#include "model/binder.h"

namespace issun::model {

Result<RecurrentWeights> bind_recurrent(const Binder& bind, const ModelConfig& config,
                                        const LayerConfig& layer, const std::string& block);
// Of a mixture, in whichever form the file has them.
Result<std::vector<FeedForwardWeights>> bind_experts(const Binder& bind, const std::string& block,
                                                     int64_t embedding,
                                                     const MixtureConfig& mixture);
Result<LatentWeights> bind_latent(const Binder& bind, const ModelConfig& config,
                                  const LayerConfig& layer, const std::string& block);
Result<LayerInputWeights> bind_layer_inputs(const Binder& bind, const ModelConfig& config);
Result<LayerInputPart> bind_layer_input(const Binder& bind, const ModelConfig& config,
                                        const std::string& block);
Result<StreamWeights> bind_streams(const Binder& bind, const ModelConfig& config,
                                   const std::string& block);

}  // namespace issun::model
