#include "measure/shape.h"

#include <fmt/format.h>

#include <cmath>
#include <numbers>
#include <string>

#include "gguf/value.h"

namespace issun::measure {

namespace {

constexpr ShapeExtras kPhi3{.fused = true};
constexpr ShapeExtras kQwen2{.projection_biases = true};
constexpr ShapeExtras kQwen3{.head_norms = true};
constexpr ShapeExtras kGemma3{.head_norms = true, .norms_after = true, .window = 512};
constexpr ShapeExtras kMixtral{.experts = 8, .experts_used = 2, .expert_feed_forward = 14336};
constexpr ShapeExtras kOlmoe{
    .row_norms = true, .experts = 64, .experts_used = 8, .expert_feed_forward = 1024};
constexpr ShapeExtras kTinyMoe{.experts = 8, .experts_used = 2, .expert_feed_forward = 256};
constexpr ShapeExtras kQwen3Moe{
    .head_norms = true, .experts = 128, .experts_used = 8, .expert_feed_forward = 768};

// Layers, embedding, heads, kv heads, head width, feed-forward, vocabulary, context, rope base,
// rope stretch, tied, extras.
constexpr Shape kShapes[] = {
    {"tiny", "llama", 4, 256, 4, 2, 64, 768, 1024, 2048, 500000, 8, true},
    {"tiny-moe", "llama", 4, 256, 4, 2, 64, 256, 1024, 2048, 10000, 0, false, kTinyMoe},
    {"llama-3.2-1b", "llama", 16, 2048, 32, 8, 64, 8192, 128256, 131072, 500000, 32, true},
    {"llama-3.2-3b", "llama", 28, 3072, 24, 8, 128, 8192, 128256, 131072, 500000, 32, true},
    {"llama-3.1-8b", "llama", 32, 4096, 32, 8, 128, 14336, 128256, 131072, 500000, 8, false},
    {"llama-3.1-70b", "llama", 80, 8192, 64, 8, 128, 28672, 128256, 131072, 500000, 8, false},
    {"phi-3-mini", "phi3", 32, 3072, 32, 32, 96, 8192, 32064, 4096, 10000, 0, false, kPhi3},
    {"qwen2.5-0.5b", "qwen2", 24, 896, 14, 2, 64, 4864, 151936, 32768, 1e6f, 0, true, kQwen2},
    {"qwen3-0.6b", "qwen3", 28, 1024, 16, 8, 128, 3072, 151936, 40960, 1e6f, 0, true, kQwen3},
    {"gemma-3-1b", "gemma3", 26, 1152, 4, 1, 256, 6912, 262144, 32768, 1e6f, 0, true, kGemma3},
    {"mixtral-8x7b", "llama", 32, 4096, 32, 8, 128, 14336, 32000, 32768, 1e6f, 0, false, kMixtral},
    {"olmoe-1b-7b", "olmoe", 16, 2048, 16, 16, 128, 1024, 50304, 4096, 10000, 0, false, kOlmoe},
    {"qwen3-30b-a3b", "qwen3moe", 48, 2048, 32, 4, 128, 6144, 151936, 40960, 1e6f, 0, false,
     kQwen3Moe},
};

constexpr double kFirstContext = 8192, kLowFactor = 1, kHighFactor = 4;  // Llama 3.1

uint32_t u32(int64_t number) { return static_cast<uint32_t>(number); }

}  // namespace

std::span<const Shape> shapes() { return kShapes; }

const Shape* shape_from_name(std::string_view name) {
  for (const Shape& shape : kShapes) {
    if (name == shape.name) return &shape;
  }
  return nullptr;
}

std::string shape_names() {
  std::string names;
  for (const Shape& shape : kShapes) names += (names.empty() ? "" : ", ") + std::string(shape.name);
  return names;
}

quantize::MixtureFacts mixture_facts(const Shape& shape) {
  return {.layers = shape.layers,
          .heads = shape.heads,
          .kv_heads = shape.kv_heads,
          .experts = shape.extras.experts};
}

std::vector<quantize::PlannedTensor> planned_tensors(const Shape& shape) {
  const int64_t embedding = shape.embedding, hidden = shape.feed_forward;
  const int64_t queries = int64_t{shape.heads} * shape.head_width;
  const int64_t keys = int64_t{shape.kv_heads} * shape.head_width;
  std::vector<quantize::PlannedTensor> tensors;
  const auto add = [&](std::string name, int64_t columns, int64_t rows, int64_t count = 1) {
    tensors.push_back({std::move(name), {columns, rows, count, 1}});
  };
  const auto projection = [&](const std::string& name, int64_t rows) {
    add(name + ".weight", embedding, rows);
    if (shape.extras.projection_biases) add(name + ".bias", rows, 1);
  };
  const auto attention = [&](const std::string& block) {
    add(block + "attn_norm.weight", embedding, 1);
    if (shape.extras.fused) {
      projection(block + "attn_qkv", queries + 2 * keys);
    } else {
      projection(block + "attn_q", queries);
      projection(block + "attn_k", keys);
      projection(block + "attn_v", keys);
    }
    if (shape.extras.head_norms || shape.extras.row_norms) {
      const bool whole = shape.extras.row_norms;
      add(block + "attn_q_norm.weight", whole ? queries : shape.head_width, 1);
      add(block + "attn_k_norm.weight", whole ? keys : shape.head_width, 1);
    }
    add(block + "attn_output.weight", queries, embedding);
    if (shape.extras.norms_after) add(block + "post_attention_norm.weight", embedding, 1);
  };
  const auto feed_forward = [&](const std::string& block) {
    add(block + "ffn_norm.weight", embedding, 1);
    if (shape.extras.experts != 0) {
      const int64_t narrow = shape.extras.expert_feed_forward, count = shape.extras.experts;
      add(block + "ffn_gate_inp.weight", embedding, count);
      add(block + "ffn_gate_exps.weight", embedding, narrow, count);
      add(block + "ffn_up_exps.weight", embedding, narrow, count);
      add(block + "ffn_down_exps.weight", narrow, embedding, count);
    } else {
      if (!shape.extras.fused) add(block + "ffn_gate.weight", embedding, hidden);
      add(block + "ffn_up.weight", embedding, shape.extras.fused ? 2 * hidden : hidden);
      add(block + "ffn_down.weight", hidden, embedding);
    }
    if (shape.extras.norms_after) add(block + "post_ffw_norm.weight", embedding, 1);
  };
  add("token_embd.weight", embedding, shape.vocabulary);
  if (shape.rope_stretch != 0) add("rope_freqs.weight", shape.head_width / 2, 1);
  for (int l = 0; l < shape.layers; ++l) {
    attention(fmt::format("blk.{}.", l));
    feed_forward(fmt::format("blk.{}.", l));
  }
  add("output_norm.weight", embedding, 1);
  if (!shape.tied) add("output.weight", embedding, shape.vocabulary);
  return tensors;
}

std::vector<float> rope_factors(const Shape& shape) {
  std::vector<float> factors;
  if (shape.rope_stretch == 0) return factors;
  for (int pair = 0; pair < shape.head_width / 2; ++pair) {
    const double frequency = std::pow(double{shape.rope_base}, -2.0 * pair / shape.head_width);
    const double turns =
        kFirstContext * frequency / (2 * std::numbers::pi);  // in the first context
    const double ramp = (turns - kLowFactor) / (kHighFactor - kLowFactor);
    const double kept = std::fmin(1.0, std::fmax(0.0, ramp));
    factors.push_back(static_cast<float>(1.0 / ((1 - kept) / shape.rope_stretch + kept)));
  }
  return factors;
}

Result<void> write_keys(const Shape& shape, const quantize::FileType& file_type,
                        gguf::GgufWriter& writer) {
  const std::string prefix = std::string(shape.architecture) + ".";
  TRY(writer.set("general.architecture", gguf::make_string(shape.architecture)));
  TRY(writer.set("general.type", gguf::make_string("model")));
  TRY(writer.set("general.name",
                 gguf::make_string(std::string(shape.name) + " with random weights")));
  TRY(writer.set("general.file_type", gguf::make_u32(u32(file_type.id))));
  TRY(writer.set("general.quantization_version", gguf::make_u32(2)));
  const auto set = [&](const char* key, gguf::Value value) {
    return writer.set(prefix + key, value);
  };
  TRY(set("context_length", gguf::make_u32(u32(shape.context))));
  TRY(set("embedding_length", gguf::make_u32(u32(shape.embedding))));
  TRY(set("block_count", gguf::make_u32(u32(shape.layers))));
  TRY(set("feed_forward_length", gguf::make_u32(u32(shape.feed_forward))));
  TRY(set("attention.head_count", gguf::make_u32(u32(shape.heads))));
  TRY(set("attention.head_count_kv", gguf::make_u32(u32(shape.kv_heads))));
  TRY(set("attention.key_length", gguf::make_u32(u32(shape.head_width))));
  TRY(set("attention.value_length", gguf::make_u32(u32(shape.head_width))));
  TRY(set("attention.layer_norm_rms_epsilon", gguf::make_f32(1e-5f)));
  TRY(set("rope.dimension_count", gguf::make_u32(u32(shape.head_width))));
  TRY(set("rope.freq_base", gguf::make_f32(shape.rope_base)));
  if (shape.extras.window != 0)
    TRY(set("attention.sliding_window", gguf::make_u32(u32(shape.extras.window))));
  if (shape.extras.experts != 0) {
    TRY(set("expert_count", gguf::make_u32(u32(shape.extras.experts))));
    TRY(set("expert_used_count", gguf::make_u32(u32(shape.extras.experts_used))));
    TRY(set("expert_feed_forward_length", gguf::make_u32(u32(shape.extras.expert_feed_forward))));
  }
  return set("vocab_size", gguf::make_u32(u32(shape.vocabulary)));
}

}  // namespace issun::measure
