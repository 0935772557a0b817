#include "measure/routing_counts.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>

using namespace issun::measure;

namespace {

std::string refusal(std::string_view text) {
  const auto counts = parse_routing_counts(text, "c.json");
  REQUIRE_FALSE(counts.has_value());
  CHECK(counts.error().message.starts_with("c.json: "));
  return counts.error().message;
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

constexpr const char* kCounts = R"([{"1": {"7": 3, "2": 1}, "0": {"7": 2}}, {"3": {"2": 9}}])";

}  // namespace

TEST_CASE("counts are read with their layers, experts and tokens") {
  const auto counts = parse_routing_counts(kCounts, "c.json");
  REQUIRE_MESSAGE(counts.has_value(), counts.error().message);
  REQUIRE(counts->layers.size() == 2);
  REQUIRE(counts->layers[0].size() == 3);
  CHECK(counts->layers[0][0].expert == 0);
  CHECK(counts->layers[0][0].token == 7);
  CHECK(counts->layers[0][0].count == 2);
  CHECK(counts->layers[1][0].expert == 3);
  CHECK(counts->experts == 4);
  CHECK(counts->tokens == 8);
}

TEST_CASE("tokens are ranked by their visits in all layers, equals by id") {
  const auto ranked = by_frequency(*parse_routing_counts(
      R"([{"0": {"7": 2, "2": 1, "4": 2}, "1": {"7": 3}}, {"0": {"2": 1}}])", "c.json"));
  REQUIRE(ranked.size() == 3);
  CHECK(ranked[0] == std::pair<int32_t, int64_t>{7, 5});
  CHECK(ranked[1] == std::pair<int32_t, int64_t>{2, 2});
  CHECK(ranked[2] == std::pair<int32_t, int64_t>{4, 2});
}

TEST_CASE("counts move to the tokens of the same rank in a text, and those beyond are left out") {
  const auto counts = parse_routing_counts(kCounts, "c.json");  // 2: ten visits, 7: five
  const int32_t text[] = {30, 40, 40};
  const RoutingCounts moved = moved_by_rank(*counts, text);
  CHECK(moved.layers[1][0].token == 40);
  CHECK(moved.layers[0][0].token == 30);
  CHECK(moved.tokens == 41);
  CHECK(moved.experts == 4);
  const RoutingCounts fewer = moved_by_rank(*counts, std::span(text).first(1));
  CHECK(fewer.layers[0].size() == 1);
  CHECK(fewer.layers[0][0].count == 1);
  CHECK(fewer.tokens == 31);
}

TEST_CASE("what is no list of counts is refused by the place where it is wrong") {
  for (const char* text : {"", "{", "[", "[{", "{}", "null", "[1]", "[[]]", "[{\"0\":1}]",
                           "[{\"0\":{\"1\":1}}", "[{\"0\":{\"1\":1}}]x", "[{\"0\":{\"1\":\"1\"}}]",
                           "[{\"0\":{\"1\":1}},]", "[{\"0\":{\"1\":null}}]", "\xff"}) {
    CAPTURE(text);
    refusal(text);
  }
  CHECK(has(refusal("[]"), "expected a layer or more"));
  CHECK(has(refusal("[{}]"), "sampled layer 0: expected counts"));
  CHECK(has(refusal(R"([{"0": {"1": 1}}, {"0": {}}])"), "sampled layer 1: expected counts"));
  for (const char* expert : {"-1", "x", "", "4096", "1.5", " 1", "99999999999999999999"}) {
    CHECK(has(refusal(fmt::format(R"([{{"{}": {{"1": 1}}}}])", expert)), "expected an expert"));
    if (std::string_view(expert) != "4096") {
      CHECK(has(refusal(fmt::format(R"([{{"0": {{"{}": 1}}}}])", expert)), "expected a token id"));
    }
  }
  for (const char* count : {"0", "-1", "1.5", "1e40", "9223372036854775807"}) {
    CHECK(has(refusal(fmt::format(R"([{{"0": {{"1": {}}}}}])", count)),
              "expert 0, token 1: expected a count"));
  }
  CHECK(has(refusal(R"([{"0": {"1": 1, "01": 2}}])"), "expected token 1 once"));
  CHECK(has(refusal(R"([{"0": {"1": 1}, "0": {"1": 2}}])"), "expected token 1 once"));
}

TEST_CASE("a text of counts that ends early anywhere is refused") {
  const std::string text(kCounts);
  for (size_t length = 0; length < text.size(); ++length) refusal(text.substr(0, length));
}
