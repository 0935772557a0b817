#include "engine/sampling/options.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

using namespace issun::engine;

TEST_CASE("The order is read by name, by the names people type, and written back") {
  CHECK(to_string(SamplerOptions().steps) ==
        "penalties;dry;top_n_sigma;top_k;typ_p;top_p;min_p;xtc;temperature");
  CHECK(to_string(*parse_steps("temp;top-k;nucleus;typical;top-n-sigma")) ==
        "temperature;top_k;top_p;typ_p;top_n_sigma");
  CHECK(parse_steps("")->empty());
  CHECK(parse_steps("top_k;bogus").error().message.find("'bogus'") != std::string::npos);
  CHECK(parse_steps("top_k;bogus").error().message.find("min_p, xtc") != std::string::npos);
  CHECK(parse_steps("top_k;temp;top-k").error().message.find("twice") != std::string::npos);
}

TEST_CASE("A number out of its range is refused by name") {
  const auto refused = [](auto change) {
    SamplerOptions options;
    change(options);
    const auto checked = check(options);
    return checked ? std::string() : checked.error().message;
  };
  CHECK(refused([](auto&) {}).empty());
  CHECK(refused([](auto& o) { o.temperature = -1; }).starts_with("temperature:"));
  CHECK(
      refused([](auto& o) { o.top_p = 1.5f; }).starts_with("top_p: expected a number from 0 to 1"));
  CHECK(refused([](auto& o) { o.typical_p = std::nanf(""); }).starts_with("typical_p:"));
  CHECK(refused([](auto& o) { o.mirostat = 3; }).starts_with("mirostat:"));
  CHECK(refused([](auto& o) { o.dry_base = 0.5f; }).starts_with("dry_base:"));
  CHECK(refused([](auto& o) { o.top_k = -1; }).starts_with("top_k: expected 0 or more"));
  CHECK(refused([](auto& o) { o.logit_bias = {{1, std::nanf("")}}; }).starts_with("logit_bias:"));
  CHECK(refused([](auto& o) { o.dry_sequence_breakers = {""}; }).starts_with("dry_sequence"));
}

TEST_CASE("A logit bias is a token and a number with its sign") {
  CHECK(parse_logit_bias("15043+1.5")->token == 15043);
  CHECK(parse_logit_bias("15043+1.5")->bias == 1.5f);
  CHECK(parse_logit_bias("7-2")->bias == -2);
  CHECK(parse_logit_bias("7-inf")->bias == -std::numeric_limits<float>::infinity());
  for (const char* wrong : {"", "7", "7+", "+1", "-7+1", "7+x", "7+1 ", "a+1"}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_logit_bias(wrong));
  }
}
