// Which facts follow from the keys of architectures whose layers are not plain attention.
#include <doctest/doctest.h>

#include <cmath>

#include "model/arch/arch.h"

using namespace issun;
using namespace issun::model;
using gguf::Value;
using gguf::ValueType;

namespace {

using Read = Result<void> (*)(const arch::Keys&, ModelConfig*);

class HybridFacts {
 public:
  HybridFacts() {
    for (const auto& [key, value] : {std::pair{"context_length", 512},
                                     {"embedding_length", 64},
                                     {"block_count", 4},
                                     {"feed_forward_length", 96},
                                     {"attention.head_count", 4},
                                     {"ssm.conv_kernel", 4},
                                     {"ssm.inner_size", 128},
                                     {"ssm.state_size", 32},
                                     {"ssm.time_step_rank", 4},
                                     {"ssm.group_count", 2},
                                     {"shortconv.l_cache", 3}}) {
      count(key, static_cast<uint64_t>(value));
    }
    put("attention.layer_norm_rms_epsilon", {ValueType::F32, ValueType::U8, 1e-5});
    counts("rope.dimension_sections", {3, 3, 2, 0});
  }
  HybridFacts& count(const char* key, uint64_t value) {
    return put(key, {ValueType::U32, ValueType::U8, value});
  }
  HybridFacts& counts(const char* key, std::vector<int64_t> values) {
    return put(key, {ValueType::Array, ValueType::I32, std::move(values)});
  }
  HybridFacts& flags(const char* key, std::vector<uint64_t> values) {
    return put(key, {ValueType::Array, ValueType::Bool, std::move(values)});
  }
  Result<ModelConfig> read(Read reader, int vocabulary_size = 0) const {
    gguf::Metadata metadata;
    for (const auto& [key, value] : entries_) REQUIRE(metadata.add(key, value));
    ModelConfig config;
    config.vocabulary_size = vocabulary_size;
    TRY(reader(arch::Keys(metadata, "x"), &config));
    return config;
  }
  std::string error(Read reader) const {
    const auto config = read(reader);
    return config ? "" : config.error().message;
  }

 private:
  HybridFacts& put(const char* name, Value value) {
    const std::string key = std::string("x.") + name;
    std::erase_if(entries_, [&](const auto& entry) { return entry.first == key; });
    entries_.emplace_back(key, std::move(value));
    return *this;
  }
  std::vector<std::pair<std::string, Value>> entries_;
};

}  // namespace

TEST_CASE("Layers of LFM2 without heads of keys are convolutions, and keep two rows") {
  const ModelConfig config =
      *HybridFacts().counts("attention.head_count_kv", {0, 2, 0, 0}).read(arch::read_lfm2);
  CHECK(config.layers[0].mixer == MixerKind::ShortConvolution);
  CHECK(config.layers[1].mixer == MixerKind::Attention);
  CHECK(config.layers[1].qk_norm == QkNorm::Head);
  CHECK(config.names.output_norm == "token_embd_norm");
  const cache::KvShape shape = config.kv_shape(DType::F16, DType::F16);
  CHECK(shape.layers[0].kv_heads == 0);
  CHECK(shape.layers[1].kv_heads == 2);
  CHECK(shape.states[0].window == 2 * 64);
  CHECK(shape.states[0].memory == 0);
  CHECK(shape.states[1].window == 0);
}

TEST_CASE("A state space keeps a matrix a head and the rows of its convolution") {
  const ModelConfig config = *HybridFacts().read(arch::read_mamba2);
  CHECK(config.layers[3].mixer == MixerKind::StateSpace);
  CHECK(config.layers[3].feed_forward == FeedForwardKind::None);
  CHECK(config.layers[3].recurrent.value_width == 32);
  const cache::KvShape shape = config.kv_shape(DType::F16, DType::F16);
  CHECK(shape.layers[0].kv_heads == 0);
  CHECK(shape.states[0].window == 3 * (128 + 2 * 2 * 32));
  CHECK(shape.states[0].memory == 128 * 32);
  // Beside attention both are remembered.
  const auto both = HybridFacts().read(arch::read_falcon_h1)->kv_shape(DType::F16, DType::F16);
  CHECK(both.layers[0].kv_heads == 4);
  CHECK(both.states[0].memory == 128 * 32);
}

TEST_CASE("Every fourth layer of Qwen 3.5 looks back, or as the interval says") {
  const auto kinds = [](const ModelConfig& config) {
    std::string letters;
    for (const LayerConfig& layer : config.layers) letters += layer.attends() ? 'a' : 'd';
    return letters;
  };
  CHECK(kinds(*HybridFacts().read(arch::read_qwen35)) == "ddda");
  CHECK(kinds(*HybridFacts().count("full_attention_interval", 2).read(arch::read_qwen35)) ==
        "dada");
  // Blocks that guess ahead are not run, and count for nothing.
  CHECK(kinds(*HybridFacts().count("nextn_predict_layers", 1).read(arch::read_qwen35)) == "ddd");
  CHECK(HybridFacts().read(arch::read_qwen35)->layers[3].gated_output);
}

TEST_CASE("Facts that no layer with a state can have are refused by the key") {
  const Read mamba = arch::read_mamba2, qwen = arch::read_qwen35;
  CHECK(HybridFacts().count("ssm.conv_kernel", 9).error(mamba).find("x.ssm.conv_kernel") == 0);
  CHECK(HybridFacts().count("ssm.inner_size", 130).error(mamba).find("x.ssm.inner_size") == 0);
  CHECK(HybridFacts().count("ssm.group_count", 3).error(mamba).find("multiple of 3 groups") !=
        std::string::npos);
  CHECK(HybridFacts().count("ssm.state_size", 1 << 20).error(mamba).find("x.ssm.state_size") == 0);
  CHECK(HybridFacts().count("shortconv.l_cache", 1).error(arch::read_lfm2).find("x.shortconv") ==
        0);
  CHECK(HybridFacts().count("ssm.inner_size", 256).error(qwen).find("4 heads of 32") !=
        std::string::npos);
  CHECK(HybridFacts().counts("rope.dimension_sections", {8, 0, 0, 0}).error(qwen).find("pair 1") !=
        std::string::npos);
  CHECK(HybridFacts().counts("attention.head_count_kv", {2, 0, 2, 2}).error(arch::read_falcon_h1) !=
        "");
}

TEST_CASE("The last layers of Gemma 4 read the keys of the last of their kind, and keep none") {
  const auto facts = [] {
    return HybridFacts()
        .flags("attention.sliding_window_pattern", {1, 0, 1, 0})
        .count("attention.sliding_window", 8)
        .count("attention.key_length", 32)
        .count("attention.value_length", 32)
        .count("attention.key_length_swa", 16)
        .count("attention.shared_kv_layers", 2)
        .count("embedding_length_per_layer_input", 4);
  };
  const ModelConfig config = *facts().read(arch::read_gemma4);
  CHECK(config.layers[0].kv_from == kOwnKeys);
  CHECK(config.layers[2].kv_from == 0);
  CHECK(config.layers[3].kv_from == 1);
  CHECK(config.layers[0].window == 8);
  CHECK(config.layers[0].key_width == 16);
  CHECK(config.layers[1].window == 0);
  CHECK(config.layers[1].attention_scale == 1);
  CHECK(config.ropes[0].file_factors);
  CHECK_FALSE(config.ropes[1].file_factors);
  CHECK(config.layer_input_width == 4);
  const cache::KvShape shape = config.kv_shape(DType::F16, DType::F16);
  CHECK(shape.layers[1].key_width == 32);
  CHECK(shape.layers[2].kv_heads == 0);
  CHECK(shape.states.empty());
  CHECK(facts()
            .count("attention.shared_kv_layers", 3)
            .error(arch::read_gemma4)
            .find("x.attention.shared_kv_layers") == 0);
  const ModelConfig with_experts = *facts()
                                        .count("expert_count", 8)
                                        .count("expert_used_count", 2)
                                        .count("expert_feed_forward_length", 24)
                                        .read(arch::read_gemma4);
  const MixtureConfig& mixture = with_experts.layers[3].mixture;
  CHECK(mixture.beside_dense);
  CHECK(mixture.length == 24);
  CHECK(mixture.shared_length == 96);
}

TEST_CASE("Latent attention keeps one short row a position, whatever the heads") {
  const auto facts = [] {
    return HybridFacts()
        .count("attention.kv_lora_rank", 40)
        .count("rope.dimension_count", 8)
        .count("attention.key_length_mla", 24)
        .count("attention.value_length_mla", 12);
  };
  const ModelConfig config = *facts().read(arch::read_deepseek2);
  CHECK(config.layers[0].latent.plain_width == 16);
  CHECK(config.layers[0].attention_scale == doctest::Approx(1 / std::sqrt(24.0)));
  const cache::KvShape shape = config.kv_shape(DType::F16, DType::F16);
  CHECK(shape.layers[0].kv_heads == 1);
  CHECK(shape.layers[0].key_width == 48);
  CHECK(shape.layers[0].value_width == 40);
  const auto router = [&](uint64_t layers, int vocabulary_size) {
    return facts()
        .count("block_count", layers)
        .count("expert_count", 8)
        .count("expert_used_count", 2)
        .count("expert_feed_forward_length", 24)
        .read(arch::read_deepseek2, vocabulary_size)
        ->layers[0]
        .mixture.router;
  };
  CHECK(router(47, 154880) == Router::Sigmoid);
  CHECK(router(46, 154880) == Router::Softmax);
  CHECK(router(47, 102400) == Router::Softmax);
  CHECK(HybridFacts()
            .count("attention.kv_lora_rank", 40)
            .error(arch::read_deepseek2)
            .find("x.attention.key_length_mla") == 0);
}
