// One function an architecture: GGUF keys to facts. Shared pieces first.
#pragma once

#include <string>
#include <string_view>

#include "gguf/metadata.h"
#include "model/config.h"

namespace issun::model::arch {

// Typed access to "<architecture>.<key>", each number held to a range a network can have.
class Keys {
 public:
  Keys(const gguf::Metadata& metadata, std::string_view architecture)
      : metadata_(metadata), prefix_(std::string(architecture) + ".") {}
  bool has(std::string_view key) const { return metadata_.has(full(key)); }
  bool is_array(std::string_view key) const;
  Result<int> count(std::string_view key, int64_t low, int64_t high) const;
  Result<int> count_or(std::string_view key, int64_t low, int64_t high, int otherwise) const;
  // One number for all layers, or an array of one for each.
  Result<std::vector<int>> per_layer(std::string_view key, int layers, int64_t low, int64_t high,
                                     int otherwise) const;
  Result<std::vector<bool>> flag_per_layer(std::string_view key, int layers) const;
  // Finite numbers only.
  Result<double> number(std::string_view key) const;
  Result<double> number_or(std::string_view key, double otherwise) const;
  Result<bool> flag_or(std::string_view key, bool otherwise) const;
  Result<std::string> text_or(std::string_view key, std::string_view otherwise) const;
  // How many texts the list has; 0 without one.
  Result<int64_t> texts(std::string_view key) const;
  std::string full(std::string_view key) const { return prefix_ + std::string(key); }

 private:
  Result<int> in_range(std::string_view key, int64_t value, int64_t low, int64_t high) const;
  const gguf::Metadata& metadata_;
  std::string prefix_;
};

constexpr int64_t kMaxLayers = 4096;
constexpr int64_t kMaxWidth = 1 << 20;  // of anything: embedding, feed-forward, heads x width

// Whether a layer may have no heads of keys, and so no attention.
enum class LayersWithoutHeads { Refused, Allowed };

// What every network states: lengths, heads, widths, rope.
Result<void> read_common(const Keys& keys, ModelConfig* config,
                         LayersWithoutHeads without_heads = LayersWithoutHeads::Refused);
// What every decoder states, with norms of this kind and rotations of this pairing (or none).
Result<void> read_decoder(const Keys& keys, NormKind norm, RopePairing pairing, ModelConfig* config,
                          LayersWithoutHeads without_heads = LayersWithoutHeads::Refused);

// The facts of layers that carry a state.
Result<RecurrentConfig> read_short_convolution(const Keys& keys, const ModelConfig& config);
Result<RecurrentConfig> read_state_space(const Keys& keys);

// Windows on all layers but every `period`-th, as the keys say or as these defaults do. 0: none.
struct Windows {
  int window = 0, period = 0;
};
Result<Windows> read_windows(const Keys& keys, Windows otherwise);
// Whether layer l sees a window only: all but the last of each period.
bool is_local(const Windows& windows, int l);
// Gives the local layers the window, and a rotation of their own (kNoRope, or an index).
void apply_windows(const Windows& windows, int local_rope, ModelConfig* config);
// Adds a kind of rotation, unless there is an equal one; its index.
int add_rope(const RopeConfig& rope, ModelConfig* config);

// expert_count and what belongs to it, after the leading dense layers; nothing when it is 0.
Result<void> read_mixture(const Keys& keys, const MixtureConfig& otherwise, ModelConfig* config);
// As expert_gating_func says; the softmax of all scores without it.
Result<Router> read_router(const Keys& keys);

// Encoders, which see a text both ways.
Result<void> read_bert(const Keys& keys, ModelConfig* config);
Result<void> read_gemma_embedding(const Keys& keys, ModelConfig* config);
Result<void> read_jina_bert_v2(const Keys& keys, ModelConfig* config);
Result<void> read_modern_bert(const Keys& keys, ModelConfig* config);
Result<void> read_nomic_bert(const Keys& keys, ModelConfig* config);
Result<void> read_nomic_bert_moe(const Keys& keys, ModelConfig* config);

Result<void> read_cohere2(const Keys& keys, ModelConfig* config);
Result<void> read_deepseek2(const Keys& keys, ModelConfig* config);
Result<void> read_exaone4(const Keys& keys, ModelConfig* config);
Result<void> read_falcon_h1(const Keys& keys, ModelConfig* config);
Result<void> read_gemma(const Keys& keys, ModelConfig* config);
Result<void> read_gemma2(const Keys& keys, ModelConfig* config);
Result<void> read_gemma3(const Keys& keys, ModelConfig* config);
Result<void> read_gemma3n(const Keys& keys, ModelConfig* config);
Result<void> read_gemma4(const Keys& keys, ModelConfig* config);
Result<void> read_glm4(const Keys& keys, ModelConfig* config);
Result<void> read_gpt2(const Keys& keys, ModelConfig* config);
Result<void> read_gpt_oss(const Keys& keys, ModelConfig* config);
Result<void> read_granite(const Keys& keys, ModelConfig* config);
Result<void> read_granitehybrid(const Keys& keys, ModelConfig* config);
Result<void> read_lfm2(const Keys& keys, ModelConfig* config);
Result<void> read_lfm2moe(const Keys& keys, ModelConfig* config);
Result<void> read_llama(const Keys& keys, ModelConfig* config);
Result<void> read_mamba2(const Keys& keys, ModelConfig* config);
Result<void> read_mistral3(const Keys& keys, ModelConfig* config);
Result<void> read_olmo2(const Keys& keys, ModelConfig* config);
Result<void> read_olmoe(const Keys& keys, ModelConfig* config);
Result<void> read_phi2(const Keys& keys, ModelConfig* config);
Result<void> read_phi3(const Keys& keys, ModelConfig* config);
Result<void> read_phimoe(const Keys& keys, ModelConfig* config);
Result<void> read_qwen2(const Keys& keys, ModelConfig* config);
Result<void> read_qwen2moe(const Keys& keys, ModelConfig* config);
Result<void> read_qwen3(const Keys& keys, ModelConfig* config);
Result<void> read_qwen35(const Keys& keys, ModelConfig* config);
Result<void> read_qwen35moe(const Keys& keys, ModelConfig* config);
Result<void> read_smollm3(const Keys& keys, ModelConfig* config);
Result<void> read_stablelm(const Keys& keys, ModelConfig* config);
Result<void> read_starcoder2(const Keys& keys, ModelConfig* config);

}  // namespace issun::model::arch
