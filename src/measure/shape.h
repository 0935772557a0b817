// Shapes: the dimensions of public models, and what a file of each must hold. A further shape of a
// known architecture is one line in the table.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "gguf/writer.h"
#include "quantize/mixture.h"

namespace issun::measure {

// What not every architecture has.
struct ShapeExtras {
  bool projection_biases = false;  // of queries, keys and values
  bool head_norms = false;         // of the queries and keys of each head
  bool row_norms = false;          // of the queries and keys of all heads as one row
  bool norms_after = false;        // of what each half of a layer gives
  bool fused = false;              // q k v in one matrix, gate and up in another
  int window = 0;                  // positions that local layers see; 0: there are none
  int experts = 0, experts_used = 0, expert_feed_forward = 0;
};

struct Shape {
  const char* name;  // "llama-3.2-1b"
  const char* architecture = "llama";
  int layers;
  int embedding;
  int heads, kv_heads, head_width;
  int feed_forward;
  int vocabulary;  // tokens, the special ones included
  int64_t context;
  float rope_base;
  float rope_stretch;  // how much longer than the first 8192 tokens the low frequencies reach
                       // (Llama 3.1); 0: not
  bool tied;           // the output is the embedding
  ShapeExtras extras = {};
};

std::span<const Shape> shapes();
// nullptr if there is none.
const Shape* shape_from_name(std::string_view name);
// Their names for a message: "tiny, llama-3.2-1b, ...".
std::string shape_names();

quantize::MixtureFacts mixture_facts(const Shape& shape);
// Every tensor of a file of this shape, in the order in which a forward pass reads them.
std::vector<quantize::PlannedTensor> planned_tensors(const Shape& shape);
// The frequency divisors of rope_freqs, head_width / 2 of them; empty when rope_stretch is 0.
// Llama 3.1: wavelengths above 8192 are stretched whole, those below 8192 / 4 not at all, with a
// ramp between.
std::vector<float> rope_factors(const Shape& shape);
// The keys of the network, without those of the tokenizer.
Result<void> write_keys(const Shape& shape, const quantize::FileType& file_type,
                        gguf::GgufWriter& writer);

}  // namespace issun::measure
