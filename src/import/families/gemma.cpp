// Gemma 1 to 3: gains of norms are stored less one.
#include "import/family.h"

namespace issun::import {

namespace {

constexpr TensorRule kGemma[] = {
    {"embed_tokens", "token_embd"},
    {"norm", "output_norm", Change::PlusOne},
    {"lm_head", nullptr},  // the embedding again
    {"layers.#.input_layernorm", "blk.#.attn_norm", Change::PlusOne},
    {"layers.#.self_attn.q_proj", "blk.#.attn_q"},
    {"layers.#.self_attn.k_proj", "blk.#.attn_k"},
    {"layers.#.self_attn.v_proj", "blk.#.attn_v"},
    {"layers.#.self_attn.o_proj", "blk.#.attn_output"},
    {"layers.#.mlp.gate_proj", "blk.#.ffn_gate"},
    {"layers.#.mlp.up_proj", "blk.#.ffn_up"},
    {"layers.#.mlp.down_proj", "blk.#.ffn_down"},
};
constexpr TensorRule kGemma1[] = {
    {"layers.#.post_attention_layernorm", "blk.#.ffn_norm", Change::PlusOne},
};
constexpr TensorRule kGemma2[] = {
    {"layers.#.post_attention_layernorm", "blk.#.post_attention_norm", Change::PlusOne},
    {"layers.#.pre_feedforward_layernorm", "blk.#.ffn_norm", Change::PlusOne},
    {"layers.#.post_feedforward_layernorm", "blk.#.post_ffw_norm", Change::PlusOne},
};
constexpr TensorRule kGemma3[] = {
    {"layers.#.self_attn.q_norm", "blk.#.attn_q_norm", Change::PlusOne},
    {"layers.#.self_attn.k_norm", "blk.#.attn_k_norm", Change::PlusOne},
};

constexpr KeyRule kGemma2Keys[] = {
    {"attn_logit_softcapping", "attn_logit_softcapping", KeyRule::Number},
    {"final_logit_softcapping", "final_logit_softcapping", KeyRule::Number},
    {"sliding_window", "attention.sliding_window"},
};

constexpr KeyRule kEmbeddingKeys[] = {
    {"sliding_window", "attention.sliding_window", KeyRule::Count, true},
};

// The same class also saves decoders without a head.
Result<void> more_embedding(const Facts& facts, Keys&, Plan&) {
  if (facts.get("use_bidirectional_attention").is_true()) return {};
  return fail("{}: use_bidirectional_attention: expected true, as EmbeddingGemma has it",
              facts.name());
}

const Family kGemmaFamilies[] = {
    {.classes = "GemmaForCausalLM",
     .architecture = "gemma",
     .tensors = kGemma,
     .more_tensors = kGemma1},
    {.classes = "Gemma2ForCausalLM",
     .architecture = "gemma2",
     .tensors = kGemma,
     .more_tensors = kGemma2,
     .keys = kGemma2Keys},
    {.classes = "Gemma3ForCausalLM Gemma3ForConditionalGeneration",
     .architecture = "gemma3",
     .tensors = kGemma,
     .more_tensors = kGemma2,
     .most_tensors = kGemma3,
     .keys = kGemma2Keys,
     .defaults = R"({"max_position_embeddings": 131072, "num_attention_heads": 8,
                     "num_key_value_heads": 4, "head_dim": 256, "rms_norm_eps": 1e-6,
                     "global_rope_theta": 1000000.0})"},
    {.classes = "Gemma3TextModel",
     .architecture = "gemma-embedding",
     .tensors = kGemma,
     .more_tensors = kGemma2,
     .most_tensors = kGemma3,
     .keys = kEmbeddingKeys,
     .has_dense = true,
     .more = more_embedding},
};

}  // namespace

std::span<const Family> gemma_families() { return kGemmaFamilies; }

}  // namespace issun::import
