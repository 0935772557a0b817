// A number that tells runtimes apart whose rows of keys and values would differ for the same
// tokens, beside the shape of their cache: what is kept by one is of no use to the other.
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/runtime.h"

namespace issun::engine {

// Of the facts in the model's file and in those of its adapters, of some bytes of each tensor
// (three pages of each are read, not all), and of how it is computed: instruction set, exactness,
// rotation of the cache, the factors of rope that hold for this context, what stands in for weights
// that are not in memory (resolved options, as Runtime has them). Not of the scales of adapters,
// which are a request's. No protection against an adversary.
uint64_t fingerprint_of(const model::Model& model, std::string_view kernels,
                        const RuntimeOptions& options);
uint64_t fingerprint_of(Runtime& runtime);

}  // namespace issun::engine
