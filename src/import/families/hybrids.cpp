// Layers that carry a state: Mamba-2 and Falcon-H1, and the short convolutions of LFM2.
#include "import/family.h"

namespace issun::import {

namespace {

constexpr TensorRule kLfm2[] = {
    {"embed_tokens", "token_embd"},
    {"embedding_norm", "token_embd_norm"},
    {"lm_head", "output"},
    {"layers.#.operator_norm", "blk.#.attn_norm"},
    {"layers.#.ffn_norm", "blk.#.ffn_norm"},
    {"layers.#.conv.conv", "blk.#.shortconv.conv", Change::Squeezed},
    {"layers.#.conv.in_proj", "blk.#.shortconv.in_proj"},
    {"layers.#.conv.out_proj", "blk.#.shortconv.out_proj"},
    {"layers.#.self_attn.q_proj", "blk.#.attn_q"},
    {"layers.#.self_attn.k_proj", "blk.#.attn_k"},
    {"layers.#.self_attn.v_proj", "blk.#.attn_v"},
    {"layers.#.self_attn.out_proj", "blk.#.attn_output"},
    {"layers.#.self_attn.q_layernorm", "blk.#.attn_q_norm"},
    {"layers.#.self_attn.k_layernorm", "blk.#.attn_k_norm"},
    {"layers.#.feed_forward.w1", "blk.#.ffn_gate"},
    {"layers.#.feed_forward.w2", "blk.#.ffn_down"},
    {"layers.#.feed_forward.w3", "blk.#.ffn_up"},
};
constexpr TensorRule kMamba2[] = {
    {"embeddings", "token_embd"},
    {"norm_f", "output_norm"},
    {"lm_head", "output"},
    {"layers.#.norm", "blk.#.attn_norm"},
    {"layers.#.mixer.in_proj", "blk.#.ssm_in"},
    {"layers.#.mixer.conv1d", "blk.#.ssm_conv1d", Change::Squeezed},
    {"layers.#.mixer.dt", "blk.#.ssm_dt"},
    {"layers.#.mixer.A_log", "blk.#.ssm_a.", Change::MinusExpOfLog},
    {"layers.#.mixer.D", "blk.#.ssm_d."},
    {"layers.#.mixer.norm", "blk.#.ssm_norm"},
    {"layers.#.mixer.out_proj", "blk.#.ssm_out"},
};
constexpr TensorRule kStateSpace[] = {
    {"layers.#.mamba.in_proj", "blk.#.ssm_in", Change::ByFamily},
    {"layers.#.mamba.conv1d", "blk.#.ssm_conv1d", Change::Squeezed},
    {"layers.#.mamba.dt", "blk.#.ssm_dt"},
    {"layers.#.mamba.A_log", "blk.#.ssm_a.", Change::MinusExpOfLog},
    {"layers.#.mamba.D", "blk.#.ssm_d."},
    {"layers.#.mamba.norm", "blk.#.ssm_norm"},
    {"layers.#.mamba.out_proj", "blk.#.ssm_out", Change::ByFamily},
};
// Their numbers are multiplied by what config.json says, so that no product is left for later.
constexpr TensorRule kFalconH1[] = {
    {"embed_tokens", "token_embd", Change::ByFamily},
    {"final_layernorm", "output_norm"},
    {"lm_head", "output", Change::ByFamily},
    {"layers.#.input_layernorm", "blk.#.attn_norm"},
    {"layers.#.self_attn.q_proj", "blk.#.attn_q", Change::ByFamily},
    {"layers.#.self_attn.k_proj", "blk.#.attn_k", Change::ByFamily},
    {"layers.#.self_attn.v_proj", "blk.#.attn_v", Change::ByFamily},
    {"layers.#.self_attn.o_proj", "blk.#.attn_output", Change::ByFamily},
    {"layers.#.pre_ff_layernorm", "blk.#.ffn_norm."},
    {"layers.#.feed_forward.gate_proj", "blk.#.ffn_gate", Change::ByFamily},
    {"layers.#.feed_forward.up_proj", "blk.#.ffn_up"},
    {"layers.#.feed_forward.down_proj", "blk.#.ffn_down", Change::ByFamily},
};

constexpr KeyRule kLfm2Keys[] = {
    {"conv_L_cache", "shortconv.l_cache", KeyRule::Count, true},
};
constexpr KeyRule kMamba2Keys[] = {
    {"layer_norm_epsilon|rms_norm_eps", "attention.layer_norm_rms_epsilon", KeyRule::Number, true},
    {"conv_kernel", "ssm.conv_kernel", KeyRule::Count, true},
    {"state_size", "ssm.state_size", KeyRule::Count, true},
    {"n_groups", "ssm.group_count", KeyRule::Count, true},
};
constexpr KeyRule kMambaKeys[] = {
    {"mamba_d_conv", "ssm.conv_kernel", KeyRule::Count, true},
    {"mamba_d_state", "ssm.state_size", KeyRule::Count, true},
    {"mamba_n_groups", "ssm.group_count", KeyRule::Count, true},
    {"mamba_n_heads", "ssm.time_step_rank", KeyRule::Count, true},
};

// As many as the weights have room for, where config.json names a width to be rounded.
Result<int64_t> lfm2_length(const Facts& facts) {
  auto length = TRY(facts.count("block_ff_dim|intermediate_size"));
  if (!facts.get("block_auto_adjust_ff_dim").is_true()) return length;
  length = 2 * length / 3;
  const double by = TRY(facts.maybe_number("block_ffn_dim_multiplier")).value_or(1);
  const int64_t step = TRY(facts.count("block_multiple_of"));
  if (step < 1 || !(by > 0 && by < 1024)) {
    return fail("{}: block_multiple_of, block_ffn_dim_multiplier: expected positive numbers",
                facts.name());
  }
  length = static_cast<int64_t>(by * static_cast<double>(length));
  return (length + step - 1) / step * step;
}

Result<void> more_lfm2(const Facts& facts, Keys& keys, Plan&) {
  keys.set_count("feed_forward_length", TRY(lfm2_length(facts)));
  if (facts.has("layer_types")) {
    return set_key_heads(facts, TRY(layers_of_type(facts, "full_attention")), keys);
  }
  const int64_t layers = TRY(facts.count("num_hidden_layers"));
  if (layers > 4096) return fail("{}: num_hidden_layers: expected at most 4096", facts.name());
  std::vector<bool> attends(static_cast<size_t>(layers));
  for (const Json& layer : facts.get("full_attn_idxs").items()) {
    if (!layer.is_integer() || layer.integer() < 0 ||
        layer.integer() >= static_cast<int64_t>(attends.size())) {
      return fail("{}: full_attn_idxs: expected layers below {}", facts.name(), attends.size());
    }
    attends[static_cast<size_t>(layer.integer())] = true;
  }
  if (!facts.has("full_attn_idxs")) {
    return fail("{}: layer_types: expected one for each layer, found none", facts.name());
  }
  return set_key_heads(facts, attends, keys);
}

Result<void> more_mamba2(const Facts& facts, Keys& keys, Plan& plan) {
  constexpr int64_t kAnyContext = 1 << 20;
  const int64_t width = TRY(facts.count("head_dim"));
  const int64_t inner =
      TRY(facts.count("hidden_size")) * TRY(facts.maybe_count("expand")).value_or(2);
  if (width < 1 || inner % width != 0) {
    return fail("{}: head_dim: expected heads that make up {}", facts.name(), inner);
  }
  // Of state spaces, not of attention.
  for (const char* key :
       {"attention.key_length", "attention.value_length", "attention.layer_norm_epsilon"}) {
    keys.drop(key);
  }
  keys.set_count("context_length", kAnyContext);
  keys.set_count("feed_forward_length", 0);
  keys.set_count("ssm.inner_size", inner);
  keys.set_count("ssm.time_step_rank", inner / width);
  return shape_state_space(facts, TRY(facts.count("n_groups")), plan);
}

// `by` times a tensor's numbers.
void multiply(PlannedTensor& tensor, double by) {
  for (Part& part : tensor.parts) part.factor = static_cast<float>(by);
}

// The rows of ssm_in: gate, values, keys, queries (of all groups) and steps, each with a factor.
Result<void> multiply_inputs(const Facts& facts, double by, PlannedTensor& tensor) {
  const auto& factors = facts.get("ssm_multipliers").items();
  const int64_t inner = TRY(facts.count("mamba_d_ssm"));
  const int64_t states = TRY(facts.count("mamba_n_groups")) * TRY(facts.count("mamba_d_state"));
  const int64_t counts[] = {inner, inner, states, states, TRY(facts.count("mamba_n_heads"))};
  const Scaled stored = tensor.parts[0].stored;
  const int64_t rows = tensor.rows();
  tensor.parts.clear();
  int64_t first = 0;
  for (size_t i = 0; i < std::size(counts); ++i) {
    if (i >= factors.size() || !factors[i].is_number()) {
      return fail("{}: ssm_multipliers: expected {} numbers", facts.name(), std::size(counts));
    }
    Part part{stored, first, counts[i]};
    part.factor = static_cast<float>(by * factors[i].number());
    tensor.parts.push_back(part);
    first += counts[i];
  }
  if (tensor.size.size() == 2 && first == rows) return {};
  return fail("{}: {}: expected {} rows, found {}", facts.name(), tensor.name, first, rows);
}

Result<void> multiply_all(const Facts& facts, Plan& plan) {
  const auto& feed_forward = facts.get("mlp_multipliers").items();
  if (feed_forward.size() != 2 || !feed_forward[0].is_number() || !feed_forward[1].is_number()) {
    return fail("{}: mlp_multipliers: expected two numbers", facts.name());
  }
  const double attention = TRY(facts.number("attention_in_multiplier"));
  const double inputs = TRY(facts.number("ssm_in_multiplier"));
  const struct {
    std::string_view tensor;
    double by;
  } kFactors[] = {
      {"token_embd", TRY(facts.number("embedding_multiplier"))},
      {"output", TRY(facts.number("lm_head_multiplier"))},
      {"attn_q", attention},
      {"attn_k", attention * TRY(facts.number("key_multiplier"))},
      {"attn_v", attention},
      {"attn_output", TRY(facts.number("attention_out_multiplier"))},
      {"ssm_out", TRY(facts.number("ssm_out_multiplier"))},
      {"ffn_gate", feed_forward[0].number()},
      {"ffn_down", feed_forward[1].number()},
  };
  for (PlannedTensor& tensor : plan.tensors) {
    std::string_view stem = tensor.name;
    stem = stem.substr(0, stem.rfind('.'));
    stem = stem.substr(stem.rfind('.') + 1);
    for (const auto& factor : kFactors) {
      if (stem == factor.tensor) multiply(tensor, factor.by);
    }
    if (stem == "ssm_in") TRY(multiply_inputs(facts, inputs, tensor));
  }
  return {};
}

Result<void> more_falcon_h1(const Facts& facts, Keys& keys, Plan& plan) {
  if (plan.find("output.weight") == nullptr) {
    return fail("{}: lm_head: expected one of its own, found none", facts.name());
  }
  const int64_t inner = TRY(facts.count("mamba_d_ssm"));
  if (inner != TRY(facts.count("mamba_n_heads")) * TRY(facts.count("mamba_d_head"))) {
    return fail("{}: mamba_d_ssm: expected mamba_n_heads x mamba_d_head, found {}", facts.name(),
                inner);
  }
  keys.set_count("ssm.inner_size", inner);
  TRY(multiply_all(facts, plan));
  return shape_state_space(facts, TRY(facts.count("mamba_n_groups")), plan);
}

const Family kHybridsFamilies[] = {
    {.classes = "Lfm2ForCausalLM LFM2ForCausalLM",
     .architecture = "lfm2",
     .tensors = kLfm2,
     .keys = kLfm2Keys,
     .more = more_lfm2},
    {.classes = "Mamba2ForCausalLM",
     .architecture = "mamba2",
     .tensors = kMamba2,
     .keys = kMamba2Keys,
     .defaults = R"({"num_attention_heads": 0})",
     .more = more_mamba2},
    {.classes = "FalconH1ForCausalLM",
     .architecture = "falcon-h1",
     .tensors = kFalconH1,
     .more_tensors = kStateSpace,
     .keys = kMambaKeys,
     .more = more_falcon_h1},
};

}  // namespace

std::span<const Family> hybrid_families() { return kHybridsFamilies; }
std::span<const TensorRule> state_space_rules() { return kStateSpace; }
std::span<const KeyRule> state_space_keys() { return kMambaKeys; }

Result<void> shape_state_space(const Facts& facts, int64_t groups, Plan& plan) {
  for (PlannedTensor& tensor : plan.tensors) {
    if (tensor.name.ends_with(".ssm_a") || tensor.name.ends_with(".ssm_d")) {
      tensor.size.insert(tensor.size.begin(), 1);
    } else if (tensor.name.ends_with(".ssm_norm.weight")) {
      if (groups < 1 || tensor.size.size() != 1 || tensor.size[0] % groups != 0) {
        return fail("{}: {}: expected a vector of {} groups", facts.name(), tensor.name, groups);
      }
      tensor.size = {tensor.size[0] / groups, groups};
    }
  }
  return {};
}

}  // namespace issun::import
