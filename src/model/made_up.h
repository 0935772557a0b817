// Small models of any facts with random weights, written to a file and bound from there, for tests.
#pragma once

#include <fmt/format.h>

#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "gguf/value.h"
#include "gguf/writer.h"
#include "model/weights.h"
#include "scratch_folder.h"
#include "tensor/codec.h"

namespace issun::model {

// Two layers, four heads that share two of keys and values, widths that no block of 32 divides.
inline ModelConfig small_facts() {
  ModelConfig config;
  config.embedding_length = 20;
  config.vocabulary_size = 31;
  config.ropes = {{.pairing = RopePairing::Halves, .dimensions = 8, .base = 100}};
  LayerConfig layer;
  layer.heads = 4;
  layer.kv_heads = 2;
  layer.key_width = layer.value_width = 8;
  layer.attention_scale = 0.3;
  layer.feed_forward_length = 12;
  config.layers = {layer, layer};
  return config;
}

inline ModelConfig facts_with_experts() {
  ModelConfig config = small_facts();
  for (LayerConfig& layer : config.layers) {
    layer.feed_forward = FeedForwardKind::Mixture;
    layer.mixture.experts = 6;
    layer.mixture.used = 3;
    layer.mixture.length = 10;
  }
  return config;
}

// How a file may hold the same numbers.
enum class ExpertLayout { Split, Merged, Single };
struct Form {
  bool fused_qkv = false, fused_gate_up = false;
  ExpertLayout experts = ExpertLayout::Split;
  bool tied = true;
  bool biases = false;  // on all that may have some
  bool selection_bias = false, expert_scales = false;
  bool token_types = false;
};

class MadeUpModel {
 public:
  explicit MadeUpModel(ModelConfig facts, const Form& form = {})
      : config(std::move(facts)), form_(form) {
    const int64_t embedding = config.embedding_length;
    put("token_embd.weight", {embedding, config.vocabulary_size}, 0.5);
    if (config.learned_positions != 0) {
      put("position_embd.weight", {embedding, config.learned_positions}, 0.5);
    }
    if (form.token_types) put("token_types.weight", {embedding, 2}, 0.5);
    if (config.embedding_norm) norm("token_embd_norm", embedding);
    if (config.output_norm) norm(std::string(config.names.output_norm), embedding);
    if (!form.tied) put("output.weight", {embedding, config.vocabulary_size}, 0.5);
    for (size_t l = 0; l < config.layers.size(); ++l) layer(l);
    write();
  }

  ModelConfig config;
  Weights weights;
  const gguf::GgufFile& file() const { return *file_; }

 private:
  using Values = std::vector<float>;
  struct Part {
    std::string name;
    int64_t rows;
  };

  // A name has the same numbers in every form.
  static Values numbers(const std::string& name, int64_t n, double deviation, double middle = 0) {
    uint32_t seed = 1;
    for (const char c : name) seed = seed * 31 + static_cast<unsigned char>(c);
    std::mt19937 random(seed);
    std::normal_distribution<double> normal(middle, deviation);
    Values values;
    for (int64_t i = 0; i < n; ++i) values.push_back(static_cast<float>(normal(random)));
    return values;
  }
  static Values matrix(const std::string& name, int64_t rows, int64_t columns) {
    return numbers(name, rows * columns, 1.5 / std::sqrt(static_cast<double>(columns)));
  }
  static void append(Values& all, const Values& more) {
    all.insert(all.end(), more.begin(), more.end());
  }

  void put(const std::string& name, std::vector<int64_t> size, Values values) {
    tensors_.push_back({name, std::move(size), std::move(values)});
  }
  void put(const std::string& name, const std::vector<int64_t>& size, double deviation) {
    put(name, size, numbers(name, size[0] * (size.size() > 1 ? size[1] : 1), deviation));
  }
  void norm(const std::string& name, int64_t n) {
    put(name + ".weight", {n}, numbers(name, n, 0.3, 1));
    if (form_.biases) put(name + ".bias", {n}, 0.2);
  }
  void linear(const std::string& name, int64_t rows, int64_t columns) {
    put(name + ".weight", {columns, rows}, matrix(name, rows, columns));
    if (form_.biases) put(name + ".bias", {rows}, 0.2);
  }
  // Several matrices of the same inputs, by themselves or one below the other.
  void linears(const std::string& fused, const std::vector<Part>& parts, int64_t columns) {
    Values matrices, biases;
    int64_t rows = 0;
    for (const Part& part : parts) {
      if (fused.empty()) linear(part.name, part.rows, columns);
      append(matrices, matrix(part.name, part.rows, columns));
      append(biases, numbers(part.name + ".bias", part.rows, 0.2));
      rows += part.rows;
    }
    if (fused.empty()) return;
    put(fused + ".weight", {columns, rows}, matrices);
    if (form_.biases) put(fused + ".bias", {rows}, biases);
  }

  void layer(size_t l) {
    const LayerConfig& layer = config.layers[l];
    const std::string block = fmt::format("blk.{}.", l);
    const int64_t embedding = config.embedding_length;
    const int64_t query = int64_t{layer.heads} * layer.key_width;
    const int64_t key = int64_t{layer.kv_heads} * layer.key_width;
    const int64_t value = int64_t{layer.kv_heads} * layer.value_width;
    if (layer.norms_before && layer.norm_mixer) norm(block + "attn_norm", embedding);
    if (layer.norms_before && !layer.parallel) {
      norm(block + std::string(config.names.norm_before_feed_forward), embedding);
    }
    if (layer.norms_after) {
      norm(block + (layer.norms_sum ? "attn_output_norm" : "post_attention_norm"), embedding);
      norm(block + (layer.norms_sum ? "layer_output_norm" : "post_ffw_norm"), embedding);
    }
    linears(form_.fused_qkv ? block + "attn_qkv" : "",
            {{block + "attn_q", query}, {block + "attn_k", key}, {block + "attn_v", value}},
            embedding);
    linear(block + "attn_output", embedding, int64_t{layer.heads} * layer.value_width);
    if (layer.qk_norm != QkNorm::None) {
      const bool whole = layer.qk_norm == QkNorm::Whole;
      norm(block + "attn_q_norm", whole ? query : layer.key_width);
      norm(block + "attn_k_norm", whole ? key : layer.key_width);
    }
    if (layer.sinks) put(block + "attn_sinks.weight", {layer.heads}, 1.0);
    switch (layer.feed_forward) {
      case FeedForwardKind::Mixture:
        return mixture(block, layer.mixture);
      case FeedForwardKind::Gated:
        return gated(block, "", layer.feed_forward_length, form_.fused_gate_up);
      case FeedForwardKind::None:
        return;
      case FeedForwardKind::Plain:
        break;
    }
    linear(block + "ffn_up", layer.feed_forward_length, embedding);
    linear(block + "ffn_down", embedding, layer.feed_forward_length);
  }

  void gated(const std::string& block, const std::string& suffix, int64_t hidden, bool fused) {
    const std::string up = block + "ffn_up" + suffix;
    linears(fused ? up : "", {{block + "ffn_gate" + suffix, hidden}, {up, hidden}},
            config.embedding_length);
    linear(block + "ffn_down" + suffix, config.embedding_length, hidden);
  }

  void mixture(const std::string& block, const MixtureConfig& mixture) {
    const int64_t embedding = config.embedding_length, hidden = mixture.length;
    linear(block + "ffn_gate_inp", mixture.experts, embedding);
    if (form_.selection_bias) put(block + "exp_probs_b.bias", {mixture.experts}, 0.3);
    if (mixture.beside_dense) {
      put(block + "ffn_gate_inp.scale", {embedding}, 3.0);
      for (const char* name : {"pre_ffw_norm_2", "post_ffw_norm_2", "post_ffw_norm_1"})
        norm(block + name, embedding);
      if (form_.expert_scales) put(block + "ffn_down_exps.scale", {mixture.experts}, 1.0);
    }
    const char* suffix = mixture.beside_dense ? "" : "_shexp";
    if (mixture.shared_length != 0) gated(block, suffix, mixture.shared_length, false);
    if (mixture.shared_gate) put(block + "ffn_gate_inp_shexp.weight", {embedding}, 0.3);
    if (form_.experts == ExpertLayout::Single) {
      for (int e = 0; e < mixture.experts; ++e) gated(block, fmt::format(".{}", e), hidden, false);
      return;
    }
    const auto part = [&](const char* name, int e) {
      return fmt::format("{}{}.{}", block, name, e);
    };
    const auto stacked = [&](const std::string& name, const std::vector<const char*>& parts,
                             int64_t rows, int64_t columns) {
      Values matrices, biases;
      for (int e = 0; e < mixture.experts; ++e) {
        for (const char* each : parts) {
          append(matrices, matrix(part(each, e), rows, columns));
          append(biases, numbers(part(each, e) + ".bias", rows, 0.2));
        }
      }
      const int64_t all = rows * static_cast<int64_t>(parts.size());
      put(block + name + ".weight", {columns, all, mixture.experts}, matrices);
      if (form_.biases) put(block + name + ".bias", {all, mixture.experts}, biases);
    };
    if (form_.experts == ExpertLayout::Merged) {
      stacked("ffn_gate_up_exps", {"ffn_gate", "ffn_up"}, hidden, embedding);
    } else {
      if (mixture.gated) stacked("ffn_gate_exps", {"ffn_gate"}, hidden, embedding);
      stacked("ffn_up_exps", {"ffn_up"}, hidden, embedding);
    }
    stacked("ffn_down_exps", {"ffn_down"}, embedding, hidden);
  }

  void write() {
    const ScratchFolder folder;
    auto writer = *gguf::GgufWriter::create(folder.path("made-up.gguf"));
    REQUIRE(writer.set("general.architecture", gguf::make_string("made-up")));
    for (const Written& tensor : tensors_) {
      REQUIRE(writer.add_tensor(tensor.name, DType::F32, tensor.size));
    }
    for (const Written& tensor : tensors_) {
      REQUIRE(writer.append(std::as_bytes(std::span(tensor.values))));
    }
    REQUIRE(writer.finish());
    file_ = std::make_unique<gguf::GgufFile>(*gguf::GgufFile::open(folder.path("made-up.gguf")));
    auto bound = Weights::bind(*file_, config);
    REQUIRE_MESSAGE(bound, (bound ? "" : bound.error().message));
    weights = std::move(*bound);
  }

  struct Written {
    std::string name;
    std::vector<int64_t> size;
    Values values;
  };
  Form form_;
  std::vector<Written> tensors_;
  std::unique_ptr<gguf::GgufFile> file_;
};

}  // namespace issun::model
