#include "measure/shape.h"

#include <fmt/format.h>

#include <cmath>
#include <numbers>
#include <string>

#include "gguf/value.h"

namespace issun::measure {

namespace {

// Layers, embedding, heads, kv heads, head width, feed-forward, vocabulary, context, rope base,
// rope stretch, tied.
constexpr Shape kShapes[] = {
    {"tiny", "llama", 4, 256, 4, 2, 64, 768, 1024, 2048, 500000, 8, true},
    {"llama-3.2-1b", "llama", 16, 2048, 32, 8, 64, 8192, 128256, 131072, 500000, 32, true},
    {"llama-3.2-3b", "llama", 28, 3072, 24, 8, 128, 8192, 128256, 131072, 500000, 32, true},
    {"llama-3.1-8b", "llama", 32, 4096, 32, 8, 128, 14336, 128256, 131072, 500000, 8, false},
    {"llama-3.1-70b", "llama", 80, 8192, 64, 8, 128, 28672, 128256, 131072, 500000, 8, false},
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

MixtureFacts mixture_facts(const Shape& shape) {
  return {.layers = shape.layers, .heads = shape.heads, .kv_heads = shape.kv_heads};
}

std::vector<PlannedTensor> planned_tensors(const Shape& shape) {
  const int64_t embedding = shape.embedding, hidden = shape.feed_forward;
  const int64_t queries = int64_t{shape.heads} * shape.head_width;
  const int64_t keys = int64_t{shape.kv_heads} * shape.head_width;
  std::vector<PlannedTensor> tensors;
  const auto add = [&](std::string name, int64_t columns, int64_t rows) {
    tensors.push_back({std::move(name), {columns, rows, 1, 1}});
  };
  add("token_embd.weight", embedding, shape.vocabulary);
  if (shape.rope_stretch != 0) add("rope_freqs.weight", shape.head_width / 2, 1);
  for (int l = 0; l < shape.layers; ++l) {
    const std::string block = fmt::format("blk.{}.", l);
    add(block + "attn_norm.weight", embedding, 1);
    add(block + "attn_q.weight", embedding, queries);
    add(block + "attn_k.weight", embedding, keys);
    add(block + "attn_v.weight", embedding, keys);
    add(block + "attn_output.weight", queries, embedding);
    add(block + "ffn_norm.weight", embedding, 1);
    add(block + "ffn_gate.weight", embedding, hidden);
    add(block + "ffn_up.weight", embedding, hidden);
    add(block + "ffn_down.weight", hidden, embedding);
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

Result<void> write_keys(const Shape& shape, const FileType& file_type, gguf::GgufWriter& writer) {
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
  return set("vocab_size", gguf::make_u32(u32(shape.vocabulary)));
}

}  // namespace issun::measure
