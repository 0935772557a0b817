#include "train/fresh.h"

#include <fmt/format.h>

#include <cmath>
#include <numbers>
#include <random>
#include <span>
#include <vector>

#include "gguf/value.h"
#include "gguf/writer.h"
#include "train/config_reader.h"

namespace issun::train {

namespace {

constexpr int kMostWidth = 1 << 16, kMostLayers = 512;

struct Planned {
  std::string name;
  std::vector<int64_t> size;  // row length first
  double deviation;           // 0: all ones
};

std::vector<Planned> plan(const FreshNetwork& n, int64_t vocabulary) {
  std::vector<Planned> all;
  const int64_t width = n.embedding_length, query = int64_t{n.heads} * n.head_width;
  const int64_t key = int64_t{n.kv_heads} * n.head_width, length = n.feed_forward_length;
  const double residual = 1 / std::sqrt(2.0 * n.layers);
  const auto matrix = [&](std::string name, std::vector<int64_t> size, double factor = 1) {
    const double deviation = factor * std::sqrt(2.0 / (5.0 * static_cast<double>(size[0])));
    all.push_back({std::move(name), std::move(size), deviation});
  };
  const auto gains = [&](std::string name, int64_t count) {
    all.push_back({std::move(name), {count}, 0});
  };
  matrix("token_embd.weight", {width, vocabulary});
  for (int l = 0; l < n.layers; ++l) {
    const std::string block = fmt::format("blk.{}.", l);
    gains(block + "attn_norm.weight", width);
    matrix(block + "attn_q.weight", {width, query});
    matrix(block + "attn_k.weight", {width, key});
    matrix(block + "attn_v.weight", {width, key});
    if (n.architecture != "llama") {
      gains(block + "attn_q_norm.weight", n.head_width);
      gains(block + "attn_k_norm.weight", n.head_width);
    }
    matrix(block + "attn_output.weight", {query, width}, residual);
    gains(block + "ffn_norm.weight", width);
    if (n.experts == 0) {
      matrix(block + "ffn_gate.weight", {width, length});
      matrix(block + "ffn_up.weight", {width, length});
      matrix(block + "ffn_down.weight", {length, width}, residual);
    } else {
      matrix(block + "ffn_gate_inp.weight", {width, n.experts});
      matrix(block + "ffn_gate_exps.weight", {width, length, n.experts});
      matrix(block + "ffn_up_exps.weight", {width, length, n.experts});
      matrix(block + "ffn_down_exps.weight", {length, width, n.experts}, residual);
    }
  }
  gains("output_norm.weight", width);
  if (!n.tied_output) matrix("output.weight", {width, vocabulary});
  return all;
}

Result<void> write_facts(const FreshNetwork& n, int64_t vocabulary, gguf::GgufWriter& writer) {
  const auto key = [&](const char* name) { return n.architecture + "." + name; };
  const auto count = [&](const char* name, int64_t value) {
    return writer.set(key(name), gguf::make_u32(static_cast<uint32_t>(value)));
  };
  const auto number = [&](const char* name, double value) {
    return writer.set(key(name), gguf::make_f32(static_cast<float>(value)));
  };
  TRY(writer.set("general.architecture", gguf::make_string(n.architecture)));
  TRY(writer.set("general.type", gguf::make_string("model")));
  TRY(writer.set("general.name", gguf::make_string(n.name)));
  TRY(writer.set("general.file_type", gguf::make_u32(0)));
  TRY(count("block_count", n.layers));
  TRY(count("context_length", n.context_length));
  TRY(count("embedding_length", n.embedding_length));
  TRY(count("feed_forward_length", n.feed_forward_length));
  TRY(count("attention.head_count", n.heads));
  TRY(count("attention.head_count_kv", n.kv_heads));
  TRY(count("attention.key_length", n.head_width));
  TRY(count("attention.value_length", n.head_width));
  TRY(count("rope.dimension_count", n.head_width));
  TRY(count("vocab_size", vocabulary));
  TRY(number("rope.freq_base", n.rope_base));
  TRY(number("attention.layer_norm_rms_epsilon", n.norm_epsilon));
  if (n.experts == 0) return {};
  TRY(count("expert_count", n.experts));
  TRY(count("expert_used_count", n.experts_used));
  if (n.architecture == "qwen3moe") TRY(count("expert_feed_forward_length", n.feed_forward_length));
  return {};
}

// Two normal numbers from two uniform ones (Box and Muller, 1958).
class Normal {
 public:
  explicit Normal(uint64_t seed) : random_(seed) {}
  double next() {
    if (kept_) return *std::exchange(kept_, nullptr);
    const double radius = std::sqrt(-2 * std::log(uniform()));
    const double angle = 2 * std::numbers::pi * uniform();
    other_ = radius * std::sin(angle);
    kept_ = &other_;
    return radius * std::cos(angle);
  }

 private:
  double uniform() { return (static_cast<double>(random_() >> 11) + 0.5) * 0x1p-53; }
  std::mt19937_64 random_;
  double other_ = 0;
  double* kept_ = nullptr;
};

Result<void> write_weights(const std::vector<Planned>& tensors, uint64_t seed,
                           gguf::GgufWriter& writer) {
  Normal normal(seed);
  for (const Planned& tensor : tensors) {
    int64_t rows = 1;
    for (size_t i = 1; i < tensor.size.size(); ++i) rows *= tensor.size[i];
    std::vector<float> row(static_cast<size_t>(tensor.size[0]), 1.0f);
    for (int64_t r = 0; r < rows; ++r) {
      if (tensor.deviation != 0) {
        for (float& x : row) x = static_cast<float>(tensor.deviation * normal.next());
      }
      TRY(writer.append(std::as_bytes(std::span(row))));
    }
  }
  return {};
}

}  // namespace

Result<FreshNetwork> read_fresh_network(const Json& json) {
  ConfigReader reader(json, "model");
  FreshNetwork n;
  n.architecture = TRY(reader.text("architecture", n.architecture));
  const bool mixture = n.architecture == "qwen3moe" || reader.has("experts");
  if (n.architecture != "llama" && n.architecture != "qwen3" && n.architecture != "qwen3moe") {
    return fail("model.architecture: expected llama, qwen3 or qwen3moe, found {}", n.architecture);
  }
  n.name = TRY(reader.text("name", "issun"));
  n.embedding_length = TRY(reader.count("embedding_length", 1, kMostWidth));
  n.layers = TRY(reader.count("layers", 1, kMostLayers));
  n.heads = TRY(reader.count("heads", 1, kMostWidth));
  n.kv_heads = TRY(reader.count("kv_heads", 1, kMostWidth, n.heads));
  if (!reader.has("head_width") && n.embedding_length % n.heads != 0) {
    return fail(
        "model.heads: expected a divisor of embedding_length {} where head_width is not "
        "given, found {}",
        n.embedding_length, n.heads);
  }
  n.head_width = TRY(reader.count("head_width", 2, kMostWidth, n.embedding_length / n.heads));
  n.feed_forward_length = TRY(reader.count("feed_forward_length", 1, kMostWidth));
  n.context_length = TRY(reader.count("context_length", 1, 1 << 24));
  n.rope_base = TRY(reader.number("rope_base", 2, 1e12, n.rope_base));
  n.norm_epsilon = TRY(reader.number("norm_epsilon", 1e-12, 1, n.norm_epsilon));
  n.tied_output = TRY(reader.flag("tied_output", n.tied_output));
  if (mixture) {
    n.experts = TRY(reader.count("experts", 2, 1024));
    n.experts_used = TRY(reader.count("experts_used", 1, n.experts));
  }
  TRY(reader.all_known());
  if (n.heads % n.kv_heads != 0) {
    return fail("model.kv_heads: expected a divisor of {} heads, found {}", n.heads, n.kv_heads);
  }
  if (n.head_width % 2 != 0) {
    return fail("model.head_width: expected an even number, found {}", n.head_width);
  }
  if (n.architecture == "qwen3" && n.experts != 0) {
    return fail("model.experts: expected architecture llama or qwen3moe beside them, found qwen3");
  }
  return n;
}

Result<void> write_fresh_network(const FreshNetwork& network, const gguf::Metadata& vocabulary,
                                 uint64_t seed, const std::string& path) {
  const auto tokens =
      TRY(vocabulary.require<std::vector<std::string_view>>("tokenizer.ggml.tokens"));
  const int64_t count = static_cast<int64_t>(tokens.size());
  gguf::GgufWriter writer = TRY(gguf::GgufWriter::create(path));
  TRY(write_facts(network, count, writer));
  for (const gguf::Metadata::Entry& entry : vocabulary.entries()) {
    if (entry.key.starts_with("tokenizer.")) TRY(writer.set(entry.key, entry.value));
  }
  const std::vector<Planned> tensors = plan(network, count);
  for (const Planned& tensor : tensors) {
    TRY(writer.add_tensor(tensor.name, DType::F32, tensor.size));
  }
  TRY(write_weights(tensors, seed, writer));
  return writer.finish();
}

}  // namespace issun::train
