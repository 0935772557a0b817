#include "model/config.h"

#include <algorithm>
#include <iterator>

#include "model/arch/arch.h"

namespace issun::model {

namespace {

struct Architecture {
  std::string_view name;
  Result<void> (*read)(const arch::Keys&, ModelConfig*);
};

constexpr Architecture kArchitectures[] = {
    {"bert", arch::read_bert},
    {"cohere2", arch::read_cohere2},
    {"deepseek2", arch::read_deepseek2},
    {"exaone4", arch::read_exaone4},
    {"falcon-h1", arch::read_falcon_h1},
    {"gemma", arch::read_gemma},
    {"gemma-embedding", arch::read_gemma_embedding},
    {"gemma2", arch::read_gemma2},
    {"gemma3", arch::read_gemma3},
    {"gemma3n", arch::read_gemma3n},
    {"gemma4", arch::read_gemma4},
    {"glm4", arch::read_glm4},
    {"gpt-oss", arch::read_gpt_oss},
    {"gpt2", arch::read_gpt2},
    {"granite", arch::read_granite},
    {"granitehybrid", arch::read_granitehybrid},
    {"granitemoe", arch::read_granite},
    {"jina-bert-v2", arch::read_jina_bert_v2},
    {"lfm2", arch::read_lfm2},
    {"lfm2moe", arch::read_lfm2moe},
    {"llama", arch::read_llama},
    {"mamba2", arch::read_mamba2},
    {"mistral3", arch::read_mistral3},
    {"modern-bert", arch::read_modern_bert},
    {"nomic-bert", arch::read_nomic_bert},
    {"nomic-bert-moe", arch::read_nomic_bert_moe},
    {"olmo2", arch::read_olmo2},
    {"olmoe", arch::read_olmoe},
    {"phi2", arch::read_phi2},
    {"phi3", arch::read_phi3},
    {"phimoe", arch::read_phimoe},
    {"qwen2", arch::read_qwen2},
    {"qwen2moe", arch::read_qwen2moe},
    {"qwen3", arch::read_qwen3},
    {"qwen35", arch::read_qwen35},
    {"qwen35moe", arch::read_qwen35moe},
    {"qwen3moe", arch::read_qwen3},
    {"smollm3", arch::read_smollm3},
    {"stablelm", arch::read_stablelm},
    {"starcoder2", arch::read_starcoder2},
};

// From the vocabulary itself: the key that some files have beside it may disagree.
Result<int> vocabulary_size(const gguf::Metadata& metadata, const arch::Keys& keys) {
  constexpr int64_t kMost = 1 << 24;
  if (metadata.has("tokenizer.ggml.tokens")) {
    const auto tokens =
        TRY(metadata.require<std::vector<std::string_view>>("tokenizer.ggml.tokens"));
    if (tokens.empty() || static_cast<int64_t>(tokens.size()) > kMost) {
      return fail("tokenizer.ggml.tokens: expected 1 to {} tokens, found {}", kMost, tokens.size());
    }
    return static_cast<int>(tokens.size());
  }
  return keys.count("vocab_size", 1, kMost);
}

}  // namespace

Result<ModelConfig> read_config(const gguf::GgufFile& file) {
  const gguf::Metadata& metadata = file.metadata();
  ModelConfig config;
  config.architecture =
      std::string(TRY(metadata.require<std::string_view>("general.architecture")));
  const auto known =
      std::find_if(std::begin(kArchitectures), std::end(kArchitectures),
                   [&](const Architecture& a) { return a.name == config.architecture; });
  if (known == std::end(kArchitectures)) {
    std::string names;
    for (const Architecture& a : kArchitectures)
      names += (names.empty() ? "" : ", ") + std::string(a.name);
    return fail("general.architecture: expected one of {}, found '{}'", names, config.architecture);
  }
  config.name = std::string(TRY(metadata.value_or<std::string_view>("general.name", "")));
  const arch::Keys keys(metadata, config.architecture);
  config.vocabulary_size = TRY(vocabulary_size(metadata, keys));
  TRY(known->read(keys, &config));
  const bool recurs = std::any_of(config.layers.begin(), config.layers.end(),
                                  [](const LayerConfig& layer) { return layer.recurs(); });
  if (recurs && !config.causal) {
    return fail("{}: expected a model that generates, found one that reads both ways",
                keys.full("attention.causal"));
  }
  if (config.norm_epsilon < 0) {
    return fail("{}: expected a norm epsilon of 0 or more, found {}", config.architecture,
                config.norm_epsilon);
  }
  return config;
}

cache::KvShape ModelConfig::kv_shape(DType key_type, DType value_type) const {
  cache::KvShape shape;
  shape.key_type = key_type;
  shape.value_type = value_type;
  for (const LayerConfig& layer : layers) {
    shape.layers.push_back(
        layer.attends() && layer.kv_from == kOwnKeys
            ? cache::KvLayerShape{layer.kv_heads, layer.key_width, layer.value_width}
            : cache::KvLayerShape{});
    const RecurrentConfig& facts = layer.recurrent;
    shape.states.push_back({layer.recurs() ? (facts.taps - 1) * facts.channels() : 0,
                            layer.recurs() ? facts.inner() * facts.key_width : 0});
  }
  const bool none = std::none_of(layers.begin(), layers.end(),
                                 [](const LayerConfig& layer) { return layer.recurs(); });
  if (none) shape.states.clear();
  return shape;
}

}  // namespace issun::model
