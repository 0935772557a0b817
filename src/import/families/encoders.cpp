// Encoders: BERT, nomic-bert and ModernBERT, and BERT with a head that scores.
#include "gguf/value.h"
#include "import/family.h"

namespace issun::import {

namespace {

constexpr TensorRule kBert[] = {
    {"embeddings.word_embeddings", "token_embd"},
    {"embeddings.position_embeddings", "position_embd"},
    {"embeddings.token_type_embeddings", "token_types"},
    {"embeddings.LayerNorm", "token_embd_norm"},
    {"encoder.layer.#.attention.self.query", "blk.#.attn_q"},
    {"encoder.layer.#.attention.self.key", "blk.#.attn_k"},
    {"encoder.layer.#.attention.self.value", "blk.#.attn_v"},
    {"encoder.layer.#.attention.output.dense", "blk.#.attn_output"},
    {"encoder.layer.#.attention.output.LayerNorm", "blk.#.attn_output_norm"},
    {"encoder.layer.#.intermediate.dense", "blk.#.ffn_up"},
    {"encoder.layer.#.output.dense", "blk.#.ffn_down"},
    {"encoder.layer.#.output.LayerNorm", "blk.#.layer_output_norm"},
};
// The heads of training, which embeddings do without.
constexpr TensorRule kNoHead[] = {
    {"pooler.dense", nullptr},
    {"cls.predictions", nullptr},
    {"cls.predictions.decoder", nullptr},
    {"cls.predictions.transform.dense", nullptr},
    {"cls.predictions.transform.LayerNorm", nullptr},
    {"cls.seq_relationship", nullptr},
};
constexpr TensorRule kScoringHead[] = {
    {"pooler.dense", "cls"},
    {"classifier", "cls.output"},
};
constexpr TensorRule kNomic[] = {
    {"embeddings.word_embeddings", "token_embd"},
    {"embeddings.token_type_embeddings", "token_types"},
    {"emb_ln", "token_embd_norm"},
    {"encoder.layers.#.attn.Wqkv", "blk.#.attn_qkv"},
    {"encoder.layers.#.attn.out_proj", "blk.#.attn_output"},
    {"encoder.layers.#.norm1", "blk.#.attn_output_norm"},
    {"encoder.layers.#.mlp.fc11", "blk.#.ffn_up"},
    {"encoder.layers.#.mlp.fc12", "blk.#.ffn_gate"},
    {"encoder.layers.#.mlp.fc2", "blk.#.ffn_down"},
    {"encoder.layers.#.norm2", "blk.#.layer_output_norm"},
};
constexpr TensorRule kModernBert[] = {
    {"embeddings.tok_embeddings", "token_embd"},
    {"embeddings.norm", "token_embd_norm"},
    {"layers.#.attn_norm", "blk.#.attn_norm"},
    {"layers.#.attn.Wqkv", "blk.#.attn_qkv"},
    {"layers.#.attn.Wo", "blk.#.attn_output"},
    {"layers.#.mlp_norm", "blk.#.ffn_norm"},
    {"layers.#.mlp.Wi", "blk.#.ffn_up"},
    {"layers.#.mlp.Wo", "blk.#.ffn_down"},
    {"final_norm", "output_norm"},
    {"head.dense", nullptr},
    {"head.norm", nullptr},
    {"decoder", nullptr},
};

constexpr KeyRule kModernBertKeys[] = {
    {"norm_eps|layer_norm_eps", "attention.layer_norm_epsilon", KeyRule::Number, true},
    {"local_attention", "attention.sliding_window", KeyRule::Count, true},
    {"global_attn_every_n_layers", "attention.sliding_window_pattern"},
};

Result<void> read_both_ways(const Facts& facts, Keys& keys, Plan&) {
  keys.set_flag("attention.causal", false);
  const int64_t types = TRY(facts.maybe_count("type_vocab_size")).value_or(1);
  keys.set_general("tokenizer.ggml.token_type_count", gguf::make_u32(static_cast<uint32_t>(types)));
  return {};
}

Result<void> more_scoring(const Facts& facts, Keys& keys, Plan& plan) {
  TRY(read_both_ways(facts, keys, plan));
  keys.set_count("pooling_type", 4);  // rank
  std::vector<std::string_view> labels;
  for (const auto& [id, label] : facts.get("id2label").members()) {
    if (label.is_string()) labels.push_back(keys.keep(label.text()));
  }
  if (!labels.empty()) keys.set("classifier.output_labels", gguf::make_strings(labels));
  return {};
}

// The table of positions is longer than what the model was trained for.
Result<void> more_nomic(const Facts& facts, Keys& keys, Plan& plan) {
  TRY(read_both_ways(facts, keys, plan));
  if (facts.has("moe_every_n_layers") && TRY(facts.count("moe_every_n_layers")) > 0) {
    return fail(
        "{}: moe_every_n_layers: expected a dense model, found one with experts, which "
        "cannot be imported yet",
        facts.name());
  }
  if (facts.get("prenorm").is_true() || facts.get("rotary_emb_interleaved").is_true()) {
    return fail("{}: expected norms after each part and rotation by halves", facts.name());
  }
  const int64_t positions = TRY(facts.count("n_positions"));
  const int64_t trained = TRY(facts.maybe_count("max_trained_positions")).value_or(2048);
  keys.set_count("context_length", std::min(positions, trained));
  keys.set_count("attention.head_count_kv", TRY(facts.count("n_head")));
  return {};
}

Result<void> more_modern_bert(const Facts& facts, Keys& keys, Plan& plan) {
  TRY(read_both_ways(facts, keys, plan));
  keys.set_text("rope.scaling.type", "none");
  const Json& activation = facts.get("hidden_activation");
  if (activation.is_string()) keys.set_text("hidden_activation", activation.text());
  for (const char* key : {"add_bos_token", "add_eos_token", "add_sep_token"}) {
    keys.set_general(fmt::format("tokenizer.ggml.{}", key), gguf::make_bool(true));
  }
  return {};
}

const Family kEncodersFamilies[] = {
    {.classes = "BertModel BertForMaskedLM",
     .architecture = "bert",
     .tensors = kBert,
     .more_tensors = kNoHead,
     .more = read_both_ways},
    {.classes = "BertForSequenceClassification",
     .architecture = "bert",
     .tensors = kBert,
     .more_tensors = kScoringHead,
     .more = more_scoring},
    {.classes = "NomicBertModel",
     .architecture = "nomic-bert",
     .tensors = kNomic,
     .more = more_nomic},
    {.classes = "ModernBertModel ModernBertForMaskedLM",
     .architecture = "modern-bert",
     .tensors = kModernBert,
     .keys = kModernBertKeys,
     .more = more_modern_bert},
};

}  // namespace

std::span<const Family> encoder_families() { return kEncodersFamilies; }

}  // namespace issun::import
