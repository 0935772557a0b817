// Which tensors the file will have, and which rows of which stored tensors each is made of.
#pragma once

#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "import/scaled.h"
#include "safetensors/set.h"

namespace issun::import {

// What happens to a tensor on its way.
enum class Change : uint8_t {
  None,
  QueryHeads,  // rows of a head from (i, i + half) to (2i, 2i + 1): rotation of neighbours
  KeyHeads,    // the same with the count of key heads
  PlusOne,     // a norm's gain that is stored less one
  Transposed,  // stored as (in, out)
  FirstHalf,   // of the rows of each matrix
  SecondHalf,
  EvenRows,  // of each matrix, or numbers of each bias: two tensors in turn
  OddRows,
  Squeezed,       // without dimensions of one: (channels, 1, length) of a convolution
  MinusExpOfLog,  // stored as the logarithm of what is to be subtracted
  ByFamily,       // as its `more` says
};

// "layers.#.mlp.experts.#.up_proj" -> "blk.#.ffn_up_exps": # is a number, the first that of the
// layer, the second that of an expert. The endings .weight and .bias stay; a name without one gets
// .weight, or none where `to` ends in a point. In front, "model." and its kin do not count.
struct TensorRule {
  const char* from;
  const char* to;  // nullptr: not needed
  Change change = Change::None;
};

// Rows first_row, first_row + step, ... of a stored tensor, times `factor`. Of a tensor to be
// transposed: its `rows` columns, as far as the stored rows from first_row on hold them.
struct Part {
  Scaled stored;
  int64_t first_row = 0, rows = 0, step = 1;
  float factor = 1;
};

// Heads of `width` rows, from row `first` on and over again: stored group by group, `each` of a
// group together; in the file the first of every group, then the second of every group.
struct Tiling {
  int64_t first = 0, groups = 0, each = 0, width = 0;
};

struct PlannedTensor {
  std::string name;
  std::vector<int64_t> size;  // row length first
  int64_t columns = 0;  // numbers of a row of the parts: size[0], or fewer where those are moved
  std::vector<Part> parts;  // one after the other
  Change change = Change::None;
  int heads = 0;              // for QueryHeads and KeyHeads
  Tiling tiling;              // no groups: as stored
  std::vector<float> values;  // of a tensor that is computed and stored nowhere; no parts then
  int layer = -1;             // -1: of the whole model
  int64_t rows() const;
};

struct Plan {
  std::vector<PlannedTensor> tensors;  // those of the whole model, then layer by layer
  int left_out = 0;                    // stored tensors of other senses, such as those of vision
  int ahead = 0;                       // those that guess more than one token ahead
  // Of one row of numbers, such as rope_freqs.weight.
  void add_values(std::string name, std::vector<float> values);
  PlannedTensor* find(std::string_view name);
};

// Numbers of config.json that the plan depends on.
struct Counts {
  int query_heads = 0, key_heads = 0;
  int layers = 0, layers_ahead = 0;  // the latter, behind the others, guess further tokens
};

// A stored tensor's name without the prefix of the class that saved it, its numbers as #.
struct StoredName {
  std::string pattern;       // "layers.#.self_attn.q_proj"
  std::string_view ending;   // ".weight" or ".bias"
  bool scales = false;       // of the weight of that name
  std::vector<int> numbers;  // at most 2
};
StoredName parse_stored_name(std::string_view name);
// "blk.#.attn_q" with the layer's number.
std::string numbered(std::string_view pattern, int layer);

// Error: a tensor that no rule names, experts that are missing, shapes that do not fit together.
Result<Plan> plan_tensors(const safetensors::SafetensorsSet& stored,
                          std::span<const TensorRule> rules, const Counts& counts);

}  // namespace issun::import
