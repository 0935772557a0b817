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

// The facts of a small llama, with some keys changed or left out.
class Facts {
 public:
  Facts() {
    count("llama.context_length", 2048);
    count("llama.embedding_length", 64);
    count("llama.block_count", 3);
    count("llama.feed_forward_length", 96);
    count("llama.attention.head_count", 4);
    number("llama.attention.layer_norm_rms_epsilon", 1e-5);
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
    TRY(arch::read_llama(arch::Keys(metadata, "llama"), &config));
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
  std::vector<std::pair<std::string_view, Value>> entries_;
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
  CHECK(Facts().count("llama.expert_count", 8).error().find("experts") != std::string::npos);
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
