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
  std::span<const TensorRule> tensors, more_tensors = {}, most_tensors = {}, further_tensors = {};
  std::span<const KeyRule> keys = {};  // beside those that all have
  // What config.json may leave out, as JSON.
  const char* defaults = "{}";
  // Stretches its rotation by factors that stand in config.json ("longrope"), or leaves pairs as
  // they are ("proportional"); `more` reads them.
  bool reads_rope_factors = false;
  // May have matrices behind the pooling: 2_Dense and 3_Dense of sentence-transformers.
  bool has_dense = false;
  // tokenizer.ggml.model, where the merges of SentencePiece's tokenizer.json count as they are:
  // "gemma4".
  const char* vocabulary = nullptr;
  // What a table cannot say: further keys, computed tensors, facts that are refused. May be
  // nullptr.
  Result<void> (*more)(const Facts& facts, Keys& keys, Plan& plan) = nullptr;
  // Where one class saves several architectures: which of them. May be nullptr.
  const Family* (*choose)(const Facts& facts) = nullptr;

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
// For each layer whether "layer_types" calls it so. Error: that list is missing or too short.
Result<std::vector<bool>> layers_of_type(const Facts& facts, std::string_view type);
// attention.head_count_kv for each layer: none where `attends` is false.
Result<void> set_key_heads(const Facts& facts, const std::vector<bool>& attends, Keys& keys);
// The rope_freqs.weight of "llama3" scaling; nothing for others.
Result<void> add_llama3_factors(const Facts& facts, Plan& plan);
// The `more` of decoders whose heads rotate whole, as Llama's.
Result<void> rotate_all(const Facts& facts, Keys& keys, Plan& plan);
// Numbers for each head stand in a column, gains of a norm in a row for each group.
Result<void> shape_state_space(const Facts& facts, int64_t groups, Plan& plan);

// Rules that several families share: decoders whose layers are called as Llama's, with queries and
// keys as they stand, or turned for a rotation of neighbours; experts beside a router "mlp.gate".
std::span<const TensorRule> decoder_rules();
std::span<const TensorRule> straight_rules();
std::span<const TensorRule> turned_rules();
std::span<const TensorRule> expert_rules();
// State spaces beside or between attention.
std::span<const TensorRule> state_space_rules();
std::span<const KeyRule> state_space_keys();

// nullptr when no family has that class.
const Family* find_family(std::string_view class_name);
std::vector<const Family*> all_families();
// All classes, for messages.
std::string family_classes();

// The tables of the folder families/.
std::span<const Family> llama_families();
std::span<const Family> qwen_families();
std::span<const Family> gemma_families();
std::span<const Family> gemma4_families();
std::span<const Family> qwen35_families();
std::span<const Family> phi_families();
std::span<const Family> granite_families();
std::span<const Family> gpt_oss_families();
std::span<const Family> deepseek_families();
std::span<const Family> hybrid_families();
std::span<const Family> other_families();
std::span<const Family> encoder_families();

}  // namespace issun::import
