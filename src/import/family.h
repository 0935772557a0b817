// How the models of one family are named in a Hugging Face directory and in a GGUF file: a table.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "import/facts.h"
#include "import/keys.h"
#include "import/plan.h"

namespace issun::import {

// A fact of config.json and the key it becomes, after the architecture's name.
struct KeyRule {
  enum Kind { Count, Number, Flag };
  const char* from;  // alternatives separated by '|'
  const char* to;
  Kind kind = Count;
  bool required = false;
};

struct Family {
  // Of "architectures" in config.json, separated by spaces.
  std::string_view classes;
  const char* architecture;  // of the GGUF file
  std::span<const TensorRule> tensors, more_tensors = {}, most_tensors = {};
  std::span<const KeyRule> keys = {};  // beside those that all have
  // What config.json may leave out, as JSON.
  const char* defaults = "{}";
  // Stretches its rotation by factors that stand in config.json ("longrope"), which `more` reads.
  bool reads_rope_factors = false;
  // What a table cannot say: further keys, computed tensors, facts that are refused. May be
  // nullptr.
  Result<void> (*more)(const Facts& facts, Keys& keys, Plan& plan) = nullptr;

  std::vector<TensorRule> all_tensors() const;
};

// What every decoder and encoder has: sizes, heads, norms, experts, positions.
Result<void> set_common_keys(const Facts& facts, const Family& family, Keys& keys);
// The keys of a table.
Result<void> set_keys(const Facts& facts, std::span<const KeyRule> rules, Keys& keys);
// The width of a head, stated or as the embedding's share.
Result<int64_t> head_width(const Facts& facts);
// rope.dimension_count, of heads of which only a part rotates.
Result<void> set_rotated_part(const Facts& facts, Keys& keys);
// The rope_freqs.weight of "llama3" scaling; nothing for others.
Result<void> add_llama3_factors(const Facts& facts, Plan& plan);

// Rules that several families share: decoders whose layers are called as Llama's, with queries and
// keys as they stand, or turned for a rotation of neighbours; experts beside a router "mlp.gate".
std::span<const TensorRule> decoder_rules();
std::span<const TensorRule> straight_rules();
std::span<const TensorRule> turned_rules();
std::span<const TensorRule> expert_rules();

// nullptr when no family has that class.
const Family* find_family(std::string_view class_name);
std::vector<const Family*> all_families();
// All classes, for messages.
std::string family_classes();

// The tables of the folder families/.
std::span<const Family> llama_families();
std::span<const Family> qwen_families();
std::span<const Family> gemma_families();
std::span<const Family> phi_families();
std::span<const Family> other_families();
std::span<const Family> encoder_families();

}  // namespace issun::import
