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
  Result<int> count(std::string_view key, int64_t low, int64_t high) const;
  Result<int> count_or(std::string_view key, int64_t low, int64_t high, int otherwise) const;
  // One number for all layers, or an array of one for each.
  Result<std::vector<int>> per_layer(std::string_view key, int layers, int64_t low, int64_t high,
                                     int otherwise) const;
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

// What every decoder states: lengths, heads, widths, norm epsilon, rope.
Result<void> read_common(const Keys& keys, ModelConfig* config);

// Encoders: BERT and its kin, whose layers norm the sum of what comes in and what they add.
Result<void> read_bert(const Keys& keys, ModelConfig* config);
Result<void> read_jina_bert_v2(const Keys& keys, ModelConfig* config);
Result<void> read_modern_bert(const Keys& keys, ModelConfig* config);
Result<void> read_nomic_bert(const Keys& keys, ModelConfig* config);

Result<void> read_llama(const Keys& keys, ModelConfig* config);

}  // namespace issun::model::arch
