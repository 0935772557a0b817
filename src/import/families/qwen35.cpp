// Qwen 3.5: layers with a state (the gated delta rule) between layers of attention.
#include "import/family.h"

namespace issun::import {

namespace {

constexpr TensorRule kQwen35[] = {
    {"embed_tokens", "token_embd"},
    {"norm", "output_norm", Change::PlusOne},
    {"lm_head", "output"},
    {"layers.#.input_layernorm", "blk.#.attn_norm", Change::PlusOne},
    {"layers.#.self_attn.q_proj", "blk.#.attn_q"},  // and the gates of what it gives
    {"layers.#.self_attn.k_proj", "blk.#.attn_k"},
    {"layers.#.self_attn.v_proj", "blk.#.attn_v"},
    {"layers.#.self_attn.o_proj", "blk.#.attn_output"},
    {"layers.#.self_attn.q_norm", "blk.#.attn_q_norm", Change::PlusOne},
    {"layers.#.self_attn.k_norm", "blk.#.attn_k_norm", Change::PlusOne},
    {"layers.#.linear_attn.in_proj_qkv", "blk.#.attn_qkv", Change::ByFamily},
    {"layers.#.linear_attn.in_proj_z", "blk.#.attn_gate", Change::ByFamily},
    {"layers.#.linear_attn.in_proj_a", "blk.#.ssm_alpha", Change::ByFamily},
    {"layers.#.linear_attn.in_proj_b", "blk.#.ssm_beta", Change::ByFamily},
    {"layers.#.linear_attn.A_log", "blk.#.ssm_a.", Change::MinusExpOfLog},
    {"layers.#.linear_attn.dt", "blk.#.ssm_dt"},
    {"layers.#.linear_attn.conv1d", "blk.#.ssm_conv1d", Change::Squeezed},
    {"layers.#.linear_attn.norm", "blk.#.ssm_norm"},
    {"layers.#.linear_attn.out_proj", "blk.#.ssm_out", Change::ByFamily},
    {"layers.#.post_attention_layernorm", "blk.#.post_attention_norm", Change::PlusOne},
    {"layers.#.mlp.gate_proj", "blk.#.ffn_gate"},
    {"layers.#.mlp.up_proj", "blk.#.ffn_up"},
    {"layers.#.mlp.down_proj", "blk.#.ffn_down"},
};

constexpr KeyRule kQwen35Keys[] = {
    {"linear_conv_kernel_dim", "ssm.conv_kernel", KeyRule::Count, true},
    {"linear_key_head_dim", "ssm.state_size", KeyRule::Count, true},
    {"linear_num_key_heads", "ssm.group_count", KeyRule::Count, true},
    {"linear_num_value_heads", "ssm.time_step_rank", KeyRule::Count, true},
    {"full_attention_interval", "full_attention_interval", KeyRule::Count, true},
};

struct StateHeads {
  int64_t key_heads, value_heads, key_width, value_width;
};

Result<StateHeads> read_heads(const Facts& facts) {
  const StateHeads heads{
      TRY(facts.count("linear_num_key_heads")), TRY(facts.count("linear_num_value_heads")),
      TRY(facts.count("linear_key_head_dim")), TRY(facts.count("linear_value_head_dim"))};
  constexpr int64_t kMost = 1 << 16;
  const auto fits = [](int64_t n) { return n >= 1 && n <= kMost; };
  if (fits(heads.key_heads) && fits(heads.value_heads) && fits(heads.key_width) &&
      fits(heads.value_width) && heads.value_heads % heads.key_heads == 0 &&
      heads.value_width % 32 == 0) {
    return heads;
  }
  return fail(
      "{}: linear_num_value_heads: expected a multiple of linear_num_key_heads, and "
      "linear_value_head_dim a multiple of 32",
      facts.name());
}

// Heads of values stand by the head of keys they share; in the file those of all keys take turns.
Result<void> deal_out(const StateHeads& heads, PlannedTensor& tensor) {
  const std::string_view name = std::string_view(tensor.name).substr(tensor.name.find('.', 4) + 1);
  const int64_t queries_and_keys = 2 * heads.key_heads * heads.key_width;
  Tiling tiling{0, heads.key_heads, heads.value_heads / heads.key_heads, heads.value_width};
  int64_t rows = heads.value_heads * heads.value_width;
  if (name == "attn_qkv.weight" || name == "ssm_conv1d.weight") {
    tiling.first = queries_and_keys;
    rows += queries_and_keys;
  } else if (name == "ssm_alpha.weight" || name == "ssm_beta.weight") {
    tiling.width = 1;
    rows = heads.value_heads;
  } else if (name == "ssm_a" || name == "ssm_dt.bias") {
    tiling.width = 1;
    rows = tensor.parts[0].rows = heads.value_heads;
    tensor.columns = 1;
    if (tensor.size.size() != 1 || tensor.size[0] != rows) rows = -1;
  } else if (name == "ssm_out.weight") {  // its columns: rows of one head
    tiling.width = 1;
    if (tensor.size.size() != 2 || tensor.size[0] != rows) rows = -1;
    tensor.columns = heads.value_width;
    if (rows > 0) rows = tensor.parts[0].rows = tensor.size[1] * heads.value_heads;
  } else if (name != "attn_gate.weight") {
    return {};
  }
  if (tensor.rows() != rows) {
    return fail("{}: expected {} heads of values and {} of keys in its shape", tensor.name,
                heads.value_heads, heads.key_heads);
  }
  if (tiling.each > 1) tensor.tiling = tiling;
  return {};
}

Result<void> check_interval(const Facts& facts) {
  if (!facts.has("layer_types")) return {};
  const int64_t interval = TRY(facts.count("full_attention_interval"));
  const auto attends = TRY(layers_of_type(facts, "full_attention"));
  for (size_t l = 0; l < attends.size(); ++l) {
    const bool expected = interval > 0 && (static_cast<int64_t>(l) + 1) % interval == 0;
    if (attends[l] == expected) continue;
    return fail("{}: layer_types: expected full_attention in every layer {}, found others",
                facts.name(), interval);
  }
  return {};
}

Result<void> more_qwen35(const Facts& facts, Keys& keys, Plan& plan) {
  TRY(check_interval(facts));
  const StateHeads heads = TRY(read_heads(facts));
  for (PlannedTensor& tensor : plan.tensors) {
    if (tensor.layer >= 0) TRY(deal_out(heads, tensor));
  }
  keys.set_count("ssm.inner_size", heads.value_heads * heads.value_width);
  // Of pictures: pairs turned by time, height and width.
  std::vector<int32_t> sections;
  for (const Json& section : facts.get("rope_parameters|rope_scaling")["mrope_section"].items()) {
    if (!section.is_integer() || section.integer() < 0 || section.integer() > 4096) {
      return fail("{}: mrope_section: expected numbers of pairs", facts.name());
    }
    sections.push_back(static_cast<int32_t>(section.integer()));
  }
  if (sections.empty()) sections = {11, 11, 10};
  sections.resize(4);
  keys.set_counts("rope.dimension_sections", sections);
  return set_rotated_part(facts, keys);
}

const Family kQwen35Families[] = {
    {.classes = "Qwen3_5ForConditionalGeneration Qwen3_5ForCausalLM",
     .architecture = "qwen35",
     .tensors = kQwen35,
     .keys = kQwen35Keys,
     .defaults = R"({"full_attention_interval": 4, "partial_rotary_factor": 0.25})",
     .more = more_qwen35},
};

}  // namespace

std::span<const Family> qwen35_families() { return kQwen35Families; }

}  // namespace issun::import
