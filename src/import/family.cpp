#include "import/family.h"

#include <cmath>
#include <numbers>

namespace issun::import {

namespace {

constexpr TensorRule kDecoder[] = {
    {"embed_tokens", "token_embd"},
    {"norm", "output_norm"},
    {"lm_head", "output"},
    {"layers.#.input_layernorm", "blk.#.attn_norm"},
    {"layers.#.self_attn.v_proj", "blk.#.attn_v"},
    {"layers.#.self_attn.o_proj", "blk.#.attn_output"},
    {"layers.#.post_attention_layernorm", "blk.#.ffn_norm"},
    {"layers.#.mlp.gate_proj", "blk.#.ffn_gate"},
    {"layers.#.mlp.up_proj", "blk.#.ffn_up"},
    {"layers.#.mlp.down_proj", "blk.#.ffn_down"},
};
constexpr TensorRule kStraight[] = {
    {"layers.#.self_attn.q_proj", "blk.#.attn_q"},
    {"layers.#.self_attn.k_proj", "blk.#.attn_k"},
    {"layers.#.self_attn.q_norm", "blk.#.attn_q_norm"},
    {"layers.#.self_attn.k_norm", "blk.#.attn_k_norm"},
};
constexpr TensorRule kTurned[] = {
    {"layers.#.self_attn.q_proj", "blk.#.attn_q", Change::QueryHeads},
    {"layers.#.self_attn.k_proj", "blk.#.attn_k", Change::KeyHeads},
};
constexpr TensorRule kExperts[] = {
    {"layers.#.mlp.gate", "blk.#.ffn_gate_inp"},
    {"layers.#.mlp.experts.#.gate_proj", "blk.#.ffn_gate_exps"},
    {"layers.#.mlp.experts.#.up_proj", "blk.#.ffn_up_exps"},
    {"layers.#.mlp.experts.#.down_proj", "blk.#.ffn_down_exps"},
    {"layers.#.mlp.experts.gate_up_proj", "blk.#.ffn_gate_exps", Change::FirstHalf},
    {"layers.#.mlp.experts.gate_up_proj", "blk.#.ffn_up_exps", Change::SecondHalf},
    {"layers.#.mlp.experts.down_proj", "blk.#.ffn_down_exps"},
    {"layers.#.mlp.shared_expert_gate", "blk.#.ffn_gate_inp_shexp"},
    {"layers.#.mlp.shared_expert.gate_proj", "blk.#.ffn_gate_shexp"},
    {"layers.#.mlp.shared_expert.up_proj", "blk.#.ffn_up_shexp"},
    {"layers.#.mlp.shared_expert.down_proj", "blk.#.ffn_down_shexp"},
};

}  // namespace

std::span<const TensorRule> decoder_rules() { return kDecoder; }
std::span<const TensorRule> straight_rules() { return kStraight; }
std::span<const TensorRule> turned_rules() { return kTurned; }
std::span<const TensorRule> expert_rules() { return kExperts; }

std::vector<TensorRule> Family::all_tensors() const {
  std::vector<TensorRule> all(tensors.begin(), tensors.end());
  all.insert(all.end(), more_tensors.begin(), more_tensors.end());
  all.insert(all.end(), most_tensors.begin(), most_tensors.end());
  all.insert(all.end(), further_tensors.begin(), further_tensors.end());
  return all;
}

std::vector<const Family*> all_families() {
  std::vector<const Family*> all;
  for (const auto& families :
       {llama_families(), qwen_families(), gemma_families(), gemma4_families(), qwen35_families(),
        phi_families(), granite_families(), gpt_oss_families(), deepseek_families(),
        hybrid_families(), other_families(), encoder_families()}) {
    for (const Family& family : families) all.push_back(&family);
  }
  return all;
}

const Family* find_family(std::string_view class_name) {
  for (const Family* family : all_families()) {
    std::string_view classes = family->classes;
    while (!classes.empty()) {
      const size_t end = std::min(classes.find(' '), classes.size());
      if (classes.substr(0, end) == class_name) return family;
      classes.remove_prefix(std::min(end + 1, classes.size()));
    }
  }
  return nullptr;
}

std::string family_classes() {
  std::string all;
  for (const Family* family : all_families()) all += fmt::format(" {}", family->classes);
  return all.substr(1);
}

Result<int64_t> head_width(const Facts& facts) {
  const auto stated = TRY(facts.maybe_count("head_dim"));
  if (stated) return *stated;
  const int64_t heads = TRY(facts.count("num_attention_heads|n_head"));
  if (heads < 1) return fail("{}: num_attention_heads: expected at least 1", facts.name());
  return TRY(facts.count("hidden_size|n_embd")) / heads;
}

namespace {

// A fact that stands among those of the rotation in newer files.
Result<std::optional<double>> rotation_number(const Facts& facts, const char* name) {
  const Json& inner = facts.get("rope_parameters|rope_scaling")[name];
  if (inner.is_number()) return inner.number();
  return facts.maybe_number(name);
}

}  // namespace

Result<void> set_rotated_part(const Facts& facts, Keys& keys) {
  const double part = TRY(rotation_number(facts, "partial_rotary_factor")).value_or(1);
  keys.set_count("rope.dimension_count",
                 static_cast<int64_t>(part * static_cast<double>(TRY(head_width(facts)))));
  return {};
}

Result<std::vector<bool>> layers_of_type(const Facts& facts, std::string_view type) {
  const int64_t layers = TRY(facts.count("num_hidden_layers"));
  std::vector<bool> found;
  for (const Json& kind : facts.get("layer_types").items()) found.push_back(kind.is(type));
  if (static_cast<int64_t>(found.size()) == layers) return found;
  return fail("{}: layer_types: expected one for each of {} layers, found {}", facts.name(), layers,
              found.size());
}

Result<void> set_key_heads(const Facts& facts, const std::vector<bool>& attends, Keys& keys) {
  const auto heads = static_cast<int32_t>(TRY(facts.count("num_key_value_heads")));
  std::vector<int32_t> counts;
  for (const bool attention : attends) counts.push_back(attention ? heads : 0);
  keys.set_counts("attention.head_count_kv", counts);
  return {};
}

Result<void> add_llama3_factors(const Facts& facts, Plan& plan) {
  const Json& scaling = facts.get("rope_parameters|rope_scaling");
  const Json& kind = scaling.has("rope_type") ? scaling["rope_type"] : scaling["type"];
  if (!kind.is("llama3")) return {};
  const auto number = [&](const char* name, double otherwise) {
    return scaling[name].is_number() ? scaling[name].number() : otherwise;
  };
  const int64_t width = TRY(head_width(facts));
  if (width < 1 || width > 4096) {
    return fail("{}: head_dim: expected 1 to 4096, found {}", facts.name(), width);
  }
  const double base = number("rope_theta", TRY(facts.maybe_number("rope_theta")).value_or(10000));
  const double factor = number("factor", 8), low = number("low_freq_factor", 1),
               high = number("high_freq_factor", 4),
               context = number("original_max_position_embeddings", 8192);
  if (!(factor > 0 && low > 0 && high > low && context > 0 && base > 0)) {
    return fail(
        "{}: rope_scaling: expected positive factors, high_freq_factor above "
        "low_freq_factor",
        facts.name());
  }
  std::vector<float> factors;
  for (int64_t i = 0; i < width; i += 2) {
    const double frequency = std::pow(base, -static_cast<double>(i) / static_cast<double>(width));
    const double wavelength = 2 * std::numbers::pi / frequency;
    // How far between the waves that stay and those that are stretched whole.
    const double smooth = (context / wavelength - low) / (high - low);
    if (wavelength < context / high) {
      factors.push_back(1);
    } else if (wavelength > context / low) {
      factors.push_back(static_cast<float>(factor));
    } else {
      factors.push_back(static_cast<float>(1 / ((1 - smooth) / factor + smooth)));
    }
  }
  plan.add_values("rope_freqs.weight", std::move(factors));
  return {};
}

Result<void> rotate_all(const Facts& facts, Keys& keys, Plan& plan) {
  keys.set_count("rope.dimension_count", TRY(head_width(facts)));
  return add_llama3_factors(facts, plan);
}

}  // namespace issun::import
