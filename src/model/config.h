// A model is data: the facts about a network that its file states. Code branches on these facts,
// never on a model's name.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cache/paged_kv.h"
#include "gguf/reader.h"

namespace issun::model {

// Which elements of a head are rotated together: (2i, 2i+1), or (i, i + dimensions / 2).
enum class RopePairing { None, Adjacent, Halves };

// Long: the file has divisors of the frequencies for long and for short contexts.
enum class RopeScaling { None, Linear, Yarn, Long };

// Rotary position embedding: theta_i = position * frequency_i.
struct RopeConfig {
  RopePairing pairing = RopePairing::None;
  int dimensions = 0;  // of each head; the rest is not rotated
  double base = 10000.0;
  RopeScaling scaling = RopeScaling::None;
  double factor = 1.0;                   // how much longer than trained
  double original_context = 0;           // YaRN, Long: the length it was trained for
  double beta_fast = 32, beta_slow = 1;  // YaRN: rotations at the ends of the ramp
  double log_multiplier = 0;             // YaRN: divides the magnitude by 0.1 m ln(factor) + 1
  double attention_factor = 1;           // multiplies cos and sin
  bool file_factors = true;              // the file's frequency divisors, if it has any, apply
  bool operator==(const RopeConfig&) const = default;
};

enum class NormKind { Rms, Layer };

// What mixes the tokens of a layer. A new kind is a value here and a file in layer/.
enum class MixerKind {
  Attention,
  ShortConvolution,
  StateSpace,              // Mamba-2
  AttentionAndStateSpace,  // of the same rows, added up
  DeltaRule,
  LatentAttention,
};

// Norms of queries and keys before they are rotated: each head by itself, or all heads as one row.
enum class QkNorm { None, Head, Whole };

// Gated: down(act(gate x) * up x). Plain: down(act(up x)).
// Mixture: a sum of experts, each of one of those two kinds, that a router chooses.
enum class FeedForwardKind { None, Gated, Plain, Mixture };

// ClampedSilu: gate up to 7, up within 7; gate * sigmoid(1.702 gate) * (up + 1).
enum class Activation { Silu, Gelu, ClampedSilu };

// How the shares of the experts follow from their scores: the softmax of all, each one's sigmoid,
// or the softmax of those chosen.
enum class Router { Softmax, Sigmoid, SoftmaxOfChosen };

constexpr int kMostExpertGroups = 64;

struct MixtureConfig {
  int experts = 0, used = 0;
  int length = 0;  // the width inside one expert
  bool gated = true;
  Router router = Router::Softmax;
  bool renormalise = true;   // the shares of those chosen add up to 1
  double scale = 1;          // of the shares
  int shared_length = 0;     // the width inside the expert that is always used; 0: none
  bool shared_gate = false;  // which a sigmoid of its own weighs
  // Groups of as many experts each; a token chooses from the `groups_used` whose two best have the
  // highest scores together.
  int groups = 1, groups_used = 1;
  // The expert that is always used is a dense half, beside which the others stand: both read the
  // residual through a norm each and are normed before they are added up, and the router reads the
  // residual normed to length 1, times gains. Each expert has a scale, if the file has them.
  bool beside_dense = false;
};

// How the vectors of a text's tokens become one, numbered as <architecture>.pooling_type. Rank: one
// of them goes through the head of a classifier.
enum class Pooling { None, Mean, First, Last, Rank };

// What a network gives that reads a text instead of going on with it.
struct ReadingConfig {
  Pooling pooling = Pooling::None;
  Pooling ranked = Pooling::First;  // the vector that a classifier reads
  bool gelu = false;                // between the classifier's two matrices, instead of tanh
  bool shares = false;              // its scores become shares of one
  int labels = 1;                   // that it has scores for
};

constexpr int kNoRope = -1;

// What a layer that carries a state keeps: the last rows of its convolution, and a matrix a head.
struct RecurrentConfig {
  int taps = 0;       // of the convolution
  int heads = 0;      // of values
  int key_heads = 0;  // keys and queries, each shared by as many heads
  int key_width = 0, value_width = 0;
  int64_t keys() const { return int64_t{key_heads} * key_width; }
  int64_t inner() const { return int64_t{heads} * value_width; }
  int64_t channels() const { return inner() + 2 * keys(); }  // of the convolution
};

// Latent attention: keys and values of all heads are made of one row of `rank` numbers a position,
// beside which stands a part of the key that is rotated, and that all heads share.
struct LatentConfig {
  int rank = 0;
  int plain_width = 0, rotated_width = 0;  // of one head's query and key
  int value_width = 0;                     // of one head
  int query_rank = 0;                      // queries too are made of a shorter row; 0: they are not
};

// Streams between layers, of which each layer computes with one, and a short way past attention.
struct StreamsConfig {
  int count = 1, active = 0;
  int low_rank = 0;  // of the short way
};

constexpr int kOwnKeys = -1;

// One layer. A new fact is a field with a default.
struct LayerConfig {
  MixerKind mixer = MixerKind::Attention;
  int heads = 0, kv_heads = 0;
  int key_width = 0, value_width = 0;  // of one head
  double attention_scale = 0;          // of q . k
  double attention_softcap = 0;        // scores become softcap * tanh(score / softcap); 0: none
  // Positions a token sees, itself the last of them; where tokens see both ways, those up to half
  // of it away. 0: all.
  int window = 0;
  double alibi = 0;  // scores fall with the distance, with slopes down to 2^-alibi; 0: they do not
  int rope = 0;      // which of ModelConfig::ropes, or kNoRope
  QkNorm qk_norm = QkNorm::None;
  bool sinks = false;         // one more logit a head in the denominator of the softmax
  bool gated_output = false;  // a gate beside each head of queries; its sigmoid weighs what it sees
  bool value_norm = false;    // each head of values is normed, without gains
  int kv_from = kOwnKeys;     // an earlier layer, whose keys and values this one reads
  RecurrentConfig recurrent;
  LatentConfig latent;  // heads and widths above are then those of the absorbed form

  FeedForwardKind feed_forward = FeedForwardKind::Gated;
  Activation activation = Activation::Silu;
  int feed_forward_length = 0;
  MixtureConfig mixture;

  // Norms of what the halves of the layer read, and of what they give before it is added.
  bool norms_before = true, norms_after = false;
  bool norms_sum = false;  // the norms after are of the residual with that added (BERT)
  bool norm_mixer = true;  // false: no norm before the first half all the same
  bool parallel = false;   // both halves read the same normed rows, and have one norm

  double gate_cutoff = 0;  // gates count from so many standard deviations above their mean; 0: all
  bool output_scale = false;  // the residual times a number of its own, if the file has one

  bool attends() const {
    return mixer == MixerKind::Attention || mixer == MixerKind::AttentionAndStateSpace ||
           mixer == MixerKind::LatentAttention;
  }
  bool recurs() const {
    return mixer != MixerKind::Attention && mixer != MixerKind::LatentAttention;
  }
};

// Where an architecture's tensors have other names than most have.
struct TensorNames {
  std::string_view output_norm = "output_norm";
  std::string_view norm_before_feed_forward = "ffn_norm";
};

struct ModelConfig {
  std::string architecture;
  std::string name;            // general.name, for people
  int64_t context_length = 0;  // trained for
  int embedding_length = 0;
  int vocabulary_size = 0;
  bool causal = true;  // a token sees none after it
  NormKind norm = NormKind::Rms;
  double norm_epsilon = 1e-5;
  double embedding_scale = 1;
  double residual_scale = 1;    // of what a half of a layer adds
  double logit_scale = 1;       // multiplies them
  double logit_softcap = 0;     // 0: none
  int learned_positions = 0;    // rows of a table added to the embeddings; 0: none
  bool embedding_norm = false;  // of what the layers begin with
  bool output_norm = true;
  double query_growth = 0;         // queries times 1 + growth * ln(1 + floor(position / length))
  double query_growth_length = 1;  // in positions
  std::vector<RopeConfig> ropes;   // the kinds of rotation that layers choose from
  StreamsConfig streams;
  int layer_input_width = 0;  // of what each layer gets of every token, beside the residual
  int unused_layers = 0;      // that the file has after `layers`, for guessing ahead
  TensorNames names;
  ReadingConfig reading;
  std::vector<LayerConfig> layers;

  cache::KvShape kv_shape(DType key_type, DType value_type) const;
};

// Reads the facts from the metadata. Error: an architecture that is not known here, a key that is
// missing, of the wrong type, or beyond what a network can be.
Result<ModelConfig> read_config(const gguf::GgufFile& file);

}  // namespace issun::model
