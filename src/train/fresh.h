// A network that has learnt nothing yet: its facts as a person states them, and a GGUF file of
// random weights from which training begins.
#pragma once

#include <cstdint>
#include <string>

#include "base/json.h"
#include "gguf/metadata.h"

namespace issun::train {

// llama (also with experts), or qwen3 and qwen3moe, which norm queries and keys.
struct FreshNetwork {
  std::string architecture = "llama";
  std::string name;
  int embedding_length = 0, layers = 0;
  int heads = 0, kv_heads = 0, head_width = 0;
  int feed_forward_length = 0;  // of each expert, where there are some
  int context_length = 0;
  int experts = 0, experts_used = 0;
  double rope_base = 10000, norm_epsilon = 1e-5;
  bool tied_output = true;
};

// From the "model" object of a configuration. Error: a key that is missing, unknown, of another
// kind or out of range; heads that do not divide; experts that do not add up.
Result<FreshNetwork> read_fresh_network(const Json& json);

// Writes the file: normal weights of deviation sqrt(2 / (5 * columns)) (Nguyen and Salazar, 2019,
// section 2.2), those that write to the residual divided by sqrt(2 * layers) (Radford et al., 2019,
// section 2.3); gains 1. The keys of the vocabulary are copied from `vocabulary`. Error: it holds
// none, or the disk.
Result<void> write_fresh_network(const FreshNetwork& network, const gguf::Metadata& vocabulary,
                                 uint64_t seed, const std::string& path);

}  // namespace issun::train
