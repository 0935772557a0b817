#include "import/keys.h"

#include "gguf/value.h"
#include "import/family.h"

namespace issun::import {

void Keys::set_general(std::string_view key, gguf::Value value) {
  for (auto& [known, old] : values_) {
    if (known == key) {
      old = std::move(value);
      return;
    }
  }
  values_.emplace_back(key, std::move(value));
}

void Keys::set(std::string_view key, gguf::Value value) {
  set_general(architecture_ + "." + std::string(key), std::move(value));
}
void Keys::set_count(std::string_view key, int64_t count) {
  set(key, gguf::make_u32(static_cast<uint32_t>(count)));
}
void Keys::set_number(std::string_view key, double number) {
  set(key, gguf::make_f32(static_cast<float>(number)));
}
void Keys::set_flag(std::string_view key, bool flag) { set(key, gguf::make_bool(flag)); }
void Keys::set_text(std::string_view key, std::string text) {
  set(key, gguf::make_string(keep(std::move(text))));
}
void Keys::set_flags(std::string_view key, const std::vector<bool>& flags) {
  set(key, gguf::make_bools(flags));
}
void Keys::set_counts(std::string_view key, std::span<const int32_t> counts) {
  set(key, gguf::make_i32s(counts));
}

void Keys::drop(std::string_view key) {
  const std::string full = architecture_ + "." + std::string(key);
  std::erase_if(values_, [&](const auto& value) { return value.first == full; });
}

const gguf::Value* Keys::find(std::string_view full_key) const {
  for (const auto& [key, value] : values_) {
    if (key == full_key) return &value;
  }
  return nullptr;
}

Result<void> Keys::write(gguf::GgufWriter& writer) const {
  for (const auto& [key, value] : values_) TRY(writer.set(key, value));
  return {};
}

gguf::Metadata Keys::metadata() const {
  gguf::Metadata metadata;
  for (const auto& [key, value] : values_) (void)metadata.add(key, value);
  return metadata;
}

namespace {

constexpr KeyRule kCommon[] = {
    {"num_hidden_layers|n_layer|n_layers|num_layers", "block_count", KeyRule::Count, true},
    {"max_position_embeddings|n_ctx|n_positions", "context_length"},
    {"hidden_size|n_embd", "embedding_length", KeyRule::Count, true},
    {"intermediate_size|n_inner", "feed_forward_length"},
    {"num_attention_heads|n_head", "attention.head_count", KeyRule::Count, true},
    {"num_key_value_heads|n_head_kv", "attention.head_count_kv"},
    {"head_dim", "attention.key_length"},
    {"head_dim", "attention.value_length"},
    {"rms_norm_eps|norm_eps", "attention.layer_norm_rms_epsilon", KeyRule::Number},
    {"layer_norm_eps|layer_norm_epsilon|norm_epsilon", "attention.layer_norm_epsilon",
     KeyRule::Number},
    {"vocab_size", "vocab_size"},
};

// The rotation's base and how it is stretched; "rope_parameters" is what newer files say instead.
Result<void> set_rope(const Facts& facts, const Family& family, Keys& keys) {
  const Json& stated = facts.get("rope_parameters|rope_scaling");
  const Json& rope = stated.has("full_attention") ? stated["full_attention"] : stated;
  const auto base = TRY(facts.maybe_number("global_rope_theta|rope_theta|rotary_emb_base"));
  const auto local = TRY(facts.maybe_number("local_rope_theta|rope_local_base_freq"));
  const Json& inner_base = rope["rope_theta"];
  const Json& inner_local = stated["sliding_attention"]["rope_theta"];
  if (inner_base.is_number() || base) {
    keys.set_number("rope.freq_base", inner_base.is_number() ? inner_base.number() : *base);
  }
  if (inner_local.is_number() || local) {
    keys.set_number("rope.freq_base_swa", inner_local.is_number() ? inner_local.number() : *local);
  }
  const Json& kind = rope.has("rope_type") ? rope["rope_type"] : rope["type"];
  if (kind.is_null() || kind.is("default") || kind.is("llama3")) return {};
  if (!kind.is_string()) return fail("{}: rope_scaling: expected a type", facts.name());
  if (family.reads_rope_factors &&
      (kind.is("longrope") || kind.is("su") || kind.is("proportional"))) {
    return {};
  }
  if (!kind.is("linear") && !kind.is("yarn")) {
    return fail("{}: rope_scaling: expected default, linear, yarn or llama3, found '{}'",
                facts.name(), kind.text());
  }
  if (!rope["factor"].is_number()) {
    return fail("{}: rope_scaling: expected a factor, found none", facts.name());
  }
  keys.set_text("rope.scaling.type", kind.text());
  keys.set_number("rope.scaling.factor", rope["factor"].number());
  if (kind.is("linear")) return {};
  constexpr struct {
    const char *from, *to;
  } kYarn[] = {{"extrapolation_factor", "rope.scaling.yarn_ext_factor"},
               {"attention_factor", "rope.scaling.yarn_attn_factor"},
               {"beta_fast", "rope.scaling.yarn_beta_fast"},
               {"beta_slow", "rope.scaling.yarn_beta_slow"}};
  for (const auto& rule : kYarn) {
    if (rope[rule.from].is_number()) keys.set_number(rule.to, rope[rule.from].number());
  }
  const Json& original = rope.has("original_max_position_embeddings")
                             ? rope["original_max_position_embeddings"]
                             : facts.get("original_max_position_embeddings");
  if (!original.is_integer()) {
    return fail("{}: rope_scaling: expected original_max_position_embeddings, found none",
                facts.name());
  }
  keys.set_count("rope.scaling.original_context_length", original.integer());
  return {};
}

}  // namespace

Result<void> set_keys(const Facts& facts, std::span<const KeyRule> rules, Keys& keys) {
  for (const KeyRule& rule : rules) {
    if (!facts.has(rule.from)) {
      if (!rule.required) continue;
      return fail("{}: {}: expected that fact, found none", facts.name(), rule.from);
    }
    switch (rule.kind) {
      case KeyRule::Count:
        keys.set_count(rule.to, TRY(facts.count(rule.from)));
        break;
      case KeyRule::Number:
        keys.set_number(rule.to, TRY(facts.number(rule.from)));
        break;
      case KeyRule::Flag:
        if (!facts.get(rule.from).is_bool()) {
          return fail("{}: {}: expected true or false", facts.name(), rule.from);
        }
        keys.set_flag(rule.to, facts.get(rule.from).boolean());
        break;
    }
  }
  return {};
}

Result<void> set_common_keys(const Facts& facts, const Family& family, Keys& keys) {
  TRY(set_keys(facts, kCommon, keys));
  // A file of a dense model may still say "num_local_experts": 0.
  const auto experts = TRY(facts.maybe_count("num_local_experts|num_experts|n_routed_experts"));
  if (experts && *experts > 0) {
    keys.set_count("expert_count", *experts);
    keys.set_count("expert_used_count",
                   TRY(facts.count("num_experts_per_tok|num_experts_per_token|moe_top_k")));
  }
  return set_rope(facts, family, keys);
}

}  // namespace issun::import
