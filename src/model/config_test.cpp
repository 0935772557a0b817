#include "model/config.h"

#include <doctest/doctest.h>

#include <cmath>

#include "model/arch/arch.h"
#include "model/rope.h"

using namespace issun;
using namespace issun::model;
using gguf::Value;
using gguf::ValueType;

namespace {

// The facts of a small llama or another, with some keys changed or left out.
class Facts {
 public:
  using Read = Result<void> (*)(const arch::Keys&, ModelConfig*);
  explicit Facts(const std::string& architecture = "llama", Read reader = arch::read_llama)
      : architecture_(architecture), reader_(reader) {
    const std::string prefix = architecture + ".";
    count(prefix + "context_length", 2048);
    count(prefix + "embedding_length", 64);
    count(prefix + "block_count", 3);
    count(prefix + "feed_forward_length", 96);
    count(prefix + "attention.head_count", 4);
    number(prefix + "attention.layer_norm_rms_epsilon", 1e-5);
    number(prefix + "attention.layer_norm_epsilon", 1e-6);
  }
  Facts& count(std::string_view key, uint64_t value) {
    return put(key, {ValueType::U32, ValueType::U8, value});
  }
  Facts& number(std::string_view key, double value) {
    return put(key, {ValueType::F32, ValueType::U8, value});
  }
  Facts& text(std::string_view key, std::string_view value) {
    return put(key, {ValueType::String, ValueType::U8, value});
  }
  Facts& flag(std::string_view key, bool value) {
    return put(key, {ValueType::Bool, ValueType::U8, value});
  }
  Facts& counts(std::string_view key, std::vector<int64_t> values) {
    return put(key, {ValueType::Array, ValueType::I32, std::move(values)});
  }
  Facts& without(std::string_view key) {
    std::erase_if(entries_, [&](const auto& entry) { return entry.first == key; });
    return *this;
  }
  Result<ModelConfig> read() const {
    gguf::Metadata metadata;
    for (const auto& [key, value] : entries_) REQUIRE(metadata.add(key, value));
    ModelConfig config;
    TRY(reader_(arch::Keys(metadata, architecture_), &config));
    return config;
  }
  std::string error() const {
    const auto config = read();
    return config ? "" : config.error().message;
  }

 private:
  Facts& put(std::string_view key, Value value) {
    without(key);
    entries_.emplace_back(key, std::move(value));
    return *this;
  }
  std::string architecture_;
  Read reader_;
  std::vector<std::pair<std::string, Value>> entries_;
};

}  // namespace

TEST_CASE("What a file leaves out has the defaults of the format") {
  const ModelConfig config = *Facts().read();
  REQUIRE(config.layers.size() == 3);
  CHECK(config.layers[0].kv_heads == 4);
  CHECK(config.layers[2].key_width == 16);
  CHECK(config.ropes[0].dimensions == 16);
  CHECK(config.ropes[0].base == 10000);
  CHECK(config.layers[0].attention_scale == doctest::Approx(0.25));
}

TEST_CASE("Facts may differ from layer to layer") {
  const ModelConfig config = *Facts()
                                  .counts("llama.attention.head_count_kv", {4, 2, 1})
                                  .counts("llama.feed_forward_length", {96, 64, 32})
                                  .read();
  CHECK(config.layers[1].kv_heads == 2);
  CHECK((*Facts().counts("llama.attention.head_count", {4, 2, 8}).read()).layers[2].kv_heads == 8);
  CHECK(config.layers[2].feed_forward_length == 32);
}

TEST_CASE("Facts that no network can have are refused by the key") {
  CHECK(Facts().count("llama.block_count", 0).error().find("llama.block_count") == 0);
  CHECK(Facts().count("llama.block_count", 100000).error().find("llama.block_count") == 0);
  CHECK(Facts().count("llama.attention.head_count", 0).error().find("llama.attention.head_count") ==
        0);
  CHECK(Facts().count("llama.embedding_length", 65).error().find("multiple of 4 heads") !=
        std::string::npos);
  CHECK(Facts().count("llama.attention.head_count_kv", 3).error().find("multiple of 3 kv heads") !=
        std::string::npos);
  CHECK(Facts().count("llama.attention.head_count_kv", 0).error().find("head_count_kv") !=
        std::string::npos);
  CHECK(Facts()
            .counts("llama.attention.head_count_kv", {4, 2})
            .error()
            .find("each of 3 layers, found 2") != std::string::npos);
  CHECK(Facts().count("llama.rope.dimension_count", 7).error().find("even") != std::string::npos);
  CHECK(Facts().count("llama.rope.dimension_count", 8).error().find("head width 16") !=
        std::string::npos);
  CHECK(Facts().number("llama.rope.freq_base", NAN).error().find("finite") != std::string::npos);
  CHECK(Facts().number("llama.rope.freq_base", 0).error().find("above 1") != std::string::npos);
  CHECK(Facts().text("llama.rope.scaling.type", "magic").error().find("found magic") !=
        std::string::npos);
  CHECK(Facts().number("llama.attention.scale", -1).error().find("attention.scale") !=
        std::string::npos);
  CHECK(Facts().text("llama.context_length", "long").error().find("llama.context_length") !=
        std::string::npos);
  for (const char* key : {"llama.context_length", "llama.embedding_length", "llama.block_count",
                          "llama.feed_forward_length", "llama.attention.head_count",
                          "llama.attention.layer_norm_rms_epsilon"}) {
    CHECK(Facts().without(key).error().find(key) != std::string::npos);
  }
}

TEST_CASE("Rope turns pair i by position x base^(-2i/d), slower when stretched") {
  RopeConfig config;
  config.pairing = RopePairing::Adjacent;
  config.dimensions = 4;
  config.base = 100;
  float cos[2], sin[2];
  Rope::create(config, {})->fill(3, cos, sin);
  CHECK(cos[1] == doctest::Approx(std::cos(0.3)));
  CHECK(sin[0] == doctest::Approx(std::sin(3.0)));
  config.scaling = RopeScaling::Linear;
  config.factor = 2;
  const float factors[] = {1, 4};
  Rope::create(config, factors)->fill(3, cos, sin);
  CHECK(cos[0] == doctest::Approx(std::cos(1.5)));
  CHECK(sin[1] == doctest::Approx(std::sin(0.3 / 8)));
}

TEST_CASE("YaRN leaves fast pairs, stretches slow ones, and raises the magnitude") {
  RopeConfig config;
  config.pairing = RopePairing::Adjacent;
  config.dimensions = 64;
  config.scaling = RopeScaling::Yarn;
  config.factor = 4;
  config.original_context = 1024;
  std::vector<float> cos(32), sin(32);
  const Rope rope = *Rope::create(config, {});
  rope.fill(5, cos.data(), sin.data());
  const double magnitude = 0.1 * std::log(4.0) + 1;
  CHECK(cos[0] == doctest::Approx(std::cos(5.0) * magnitude));
  CHECK(sin[31] == doctest::Approx(std::sin(5.0 * std::pow(10000.0, -62.0 / 64) / 4) * magnitude));
}

TEST_CASE("Frequencies that are no positive numbers are refused at load") {
  RopeConfig config;
  config.pairing = RopePairing::Adjacent;
  config.dimensions = 4;
  for (const float bad : {0.0f, -1.0f, NAN}) {
    const float factors[] = {1, bad};
    CHECK(Rope::create(config, factors).error().message.find("pair 1") != std::string::npos);
  }
  config.attention_factor = 0;
  CHECK(Rope::create(config, {}).error().message.find("magnitude") != std::string::npos);
}

TEST_CASE("YaRN's own keys are read, and a mix that is not done is refused") {
  Facts facts;
  facts.text("llama.rope.scaling.type", "yarn").number("llama.rope.scaling.factor", 4);
  facts.number("llama.rope.scaling.yarn_beta_fast", 16)
      .number("llama.rope.scaling.yarn_beta_slow", 2);
  CHECK(facts.read()->ropes[0].beta_fast == 16);
  CHECK(facts.read()->ropes[0].beta_slow == 2);
  CHECK(facts.number("llama.rope.scaling.yarn_ext_factor", 0.5).error().find("yarn_ext_factor") !=
        std::string::npos);
}

TEST_CASE("Local layers are all but the last of each period") {
  const auto windows = [](Facts facts) {
    std::vector<int> found;
    const ModelConfig config = *facts.read();
    for (const LayerConfig& layer : config.layers) found.push_back(layer.window);
    return found;
  };
  Facts gemma2("gemma2", arch::read_gemma2);
  gemma2.count("gemma2.block_count", 4);
  CHECK(windows(gemma2) == std::vector{4096, 0, 4096, 0});
  gemma2.count("gemma2.attention.sliding_window", 8);
  CHECK(windows(gemma2) == std::vector{8, 0, 8, 0});
  CHECK(windows(gemma2.count("gemma2.attention.sliding_window_pattern", 3)) ==
        std::vector{8, 8, 0, 8});
  CHECK(windows(gemma2.count("gemma2.attention.sliding_window_pattern", 0)) ==
        std::vector{8, 8, 8, 8});
  CHECK(windows(gemma2.counts("gemma2.attention.sliding_window_pattern", {0, 0, 1, 1})) ==
        std::vector{8, 0, 8, 0});
  CHECK(windows(Facts("phi3", arch::read_phi3).count("phi3.attention.sliding_window", 8)) ==
        std::vector{0, 0, 0});
  CHECK(Facts("cohere2", arch::read_cohere2).error().find("expected a window") !=
        std::string::npos);
}

TEST_CASE("Local layers have rotations of their own where the architecture says so") {
  Facts gemma3("gemma3", arch::read_gemma3);
  gemma3.count("gemma3.block_count", 6).count("gemma3.attention.sliding_window", 8);
  gemma3.number("gemma3.rope.freq_base", 1e6).number("gemma3.rope.scaling.factor", 8);
  const ModelConfig config = *gemma3.read();
  REQUIRE(config.ropes.size() == 2);
  CHECK(config.layers[0].rope == 1);
  CHECK(config.layers[5].rope == 0);
  CHECK(config.ropes[0].factor == 8);
  CHECK(config.ropes[1].factor == 1);
  CHECK(config.ropes[1].base == 10000);

  Facts olmo("olmo2", arch::read_olmo2);
  olmo.count("olmo2.block_count", 4).count("olmo2.attention.sliding_window", 8);
  CHECK(olmo.read()->ropes.size() == 1);
  olmo.text("olmo2.rope.scaling.type", "yarn").number("olmo2.rope.scaling.factor", 8);
  const ModelConfig stretched = *olmo.read();
  CHECK(stretched.ropes[static_cast<size_t>(stretched.layers[0].rope)].scaling ==
        RopeScaling::None);
  CHECK(stretched.ropes[static_cast<size_t>(stretched.layers[3].rope)].scaling ==
        RopeScaling::Yarn);
}

TEST_CASE("What only the number of layers tells is told by it") {
  const auto scale = [](const char* name, Facts::Read read, uint64_t layers) {
    Facts facts(name, read);
    facts.count(std::string(name) + ".block_count", layers);
    facts.count(std::string(name) + ".attention.key_length", 64);
    facts.count(std::string(name) + ".attention.value_length", 64);
    return facts.read()->layers[0].attention_scale;
  };
  CHECK(scale("gemma2", arch::read_gemma2, 46) == doctest::Approx(0.25));
  CHECK(scale("gemma2", arch::read_gemma2, 45) == doctest::Approx(0.125));
  CHECK(scale("gemma3", arch::read_gemma3, 62) == doctest::Approx(0.25));
  CHECK(scale("gemma3", arch::read_gemma3, 61) == doctest::Approx(0.125));
  Facts exaone("exaone4", arch::read_exaone4);
  exaone.count("exaone4.attention.sliding_window", 8);
  CHECK(exaone.read()->layers[0].window == 0);
  const ModelConfig large = *exaone.count("exaone4.block_count", 64).read();
  CHECK(large.layers[0].window == 8);
  CHECK(large.layers[3].window == 0);
  CHECK(large.layers[3].rope == kNoRope);
}

TEST_CASE("Layers that only guess ahead are counted apart") {
  Facts glm("glm4", arch::read_glm4);
  const ModelConfig config = *glm.count("glm4.nextn_predict_layers", 1).read();
  CHECK(config.layers.size() == 2);
  CHECK(config.unused_layers == 1);
  CHECK(glm.count("glm4.nextn_predict_layers", 3).error().find("from 0 to 2") != std::string::npos);
}

TEST_CASE("Experts are as the keys say, or as the architecture does") {
  Facts mixtral;
  mixtral.count("llama.expert_count", 8);
  CHECK(mixtral.error().find("llama.expert_used_count") != std::string::npos);
  CHECK(mixtral.count("llama.expert_used_count", 9).error().find("from 1 to 8") !=
        std::string::npos);
  const ModelConfig config = *mixtral.count("llama.expert_used_count", 2).read();
  CHECK(config.layers[0].feed_forward == FeedForwardKind::Mixture);
  CHECK(config.layers[0].mixture.length == 96);
  CHECK(config.layers[0].mixture.renormalise);
  Facts qwen("qwen2moe", arch::read_qwen2moe);
  qwen.count("qwen2moe.expert_count", 8).count("qwen2moe.expert_used_count", 2);
  qwen.count("qwen2moe.expert_feed_forward_length", 7);
  const MixtureConfig mixture = qwen.read()->layers[2].mixture;
  CHECK(mixture.length == 7);
  CHECK(!mixture.renormalise);
  CHECK(mixture.shared_length == 96);
}

TEST_CASE("Groups of experts divide them, and have enough") {
  const auto facts = [](uint64_t groups, uint64_t groups_used) {
    Facts mixtral;
    mixtral.count("llama.expert_count", 12).count("llama.expert_used_count", 4);
    mixtral.count("llama.expert_group_count", groups);
    return mixtral.count("llama.expert_group_used_count", groups_used);
  };
  const MixtureConfig mixture = facts(4, 2).read()->layers[0].mixture;
  CHECK(mixture.groups == 4);
  CHECK(mixture.groups_used == 2);
  CHECK(facts(0, 0).read()->layers[0].mixture.groups == 1);
  CHECK(facts(1, 1).read()->layers[0].mixture.groups == 1);
  CHECK(facts(4, 5).error().find("from 1 to 4") != std::string::npos);
  CHECK(facts(5, 2).error().find("llama.expert_group_count") == 0);
  CHECK(facts(12, 2).error().find("llama.expert_group_count") == 0);
  CHECK(facts(4, 1).error().find("llama.expert_group_used_count") == 0);
  CHECK(facts(65, 2).error().find("from 0 to 64") != std::string::npos);
}

TEST_CASE("Rotations that are off, and kinds of stretching that are not known") {
  Facts granite("granite", arch::read_granite);
  CHECK(granite.read()->layers[0].rope == 0);
  CHECK(granite.flag("granite.rope.scaling.finetuned", false).read()->layers[0].rope == kNoRope);
  CHECK(granite.number("granite.logit_scale", 4).read()->logit_scale == 0.25);
  CHECK(granite.number("granite.logit_scale", 0).error().find("logit_scale") != std::string::npos);
  Facts phi("phi3", arch::read_phi3);
  phi.text("phi3.rope.scaling.type", "longrope");
  CHECK(phi.read()->ropes[0].scaling == RopeScaling::Long);
  CHECK(phi.number("phi3.rope.scaling.factor", 2).error().find("beside longrope") !=
        std::string::npos);
}
