// A model is data: the facts about a network that its file states. Code branches on these facts,
// never on a model's name.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "cache/paged_kv.h"
#include "gguf/reader.h"

namespace issun::model {

// Which elements of a head are rotated together: (2i, 2i+1), or (i, i + dimensions / 2).
enum class RopePairing { None, Adjacent, Halves };

enum class RopeScaling { None, Linear, Yarn };

// Rotary position embedding: theta_i = position * frequency_i.
struct RopeConfig {
  RopePairing pairing = RopePairing::None;
  int dimensions = 0;  // of each head; the rest is not rotated
  double base = 10000.0;
  RopeScaling scaling = RopeScaling::None;
  double factor = 1.0;                   // how much longer than trained
  double original_context = 0;           // YaRN: the length it was trained for
  double beta_fast = 32, beta_slow = 1;  // YaRN: rotations at the ends of the ramp
  double log_multiplier = 0;             // YaRN: divides the magnitude by 0.1 m ln(factor) + 1
  double attention_factor = 1;           // multiplies cos and sin
};

enum class FeedForwardKind { SwiGlu };

// One layer. A new fact is a field with a default.
struct LayerConfig {
  int heads = 0, kv_heads = 0;
  int key_width = 0, value_width = 0;  // of one head
  int feed_forward_length = 0;
  FeedForwardKind feed_forward = FeedForwardKind::SwiGlu;
};

struct ModelConfig {
  std::string architecture;
  std::string name;            // general.name, for people
  int64_t context_length = 0;  // trained for
  int embedding_length = 0;
  int vocabulary_size = 0;
  double norm_epsilon = 1e-5;
  double attention_scale = 0;  // of q . k
  RopeConfig rope;
  std::vector<LayerConfig> layers;

  cache::KvShape kv_shape(DType key_type, DType value_type) const;
  int widest_feed_forward() const;
};

// Reads the facts from the metadata. Error: an architecture that is not known here, a key that is
// missing, of the wrong type, or beyond what a network can be.
Result<ModelConfig> read_config(const gguf::GgufFile& file);

}  // namespace issun::model
