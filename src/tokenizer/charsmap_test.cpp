#include "tokenizer/charsmap.h"

#include <doctest/doctest.h>

#include <random>

#include "tokenizer/made_up_charsmap.h"

using namespace issun::tokenizer;

namespace {

std::string error_of(const std::vector<uint8_t>& bytes) {
  const auto map = Charsmap::parse(bytes);
  return map ? "" : map.error().message;
}

}  // namespace

TEST_CASE("the longest text is replaced") {
  const auto bytes = made_up_charsmap({{"a", "b"}, {"ab", ""}, {"abc", "long one"}, {"é", "e"}});
  const auto map = Charsmap::parse(bytes);
  REQUIRE_MESSAGE(map.has_value(), map.error().message);
  CHECK(map->longest_at("abcd", 0).replacement == "long one");
  CHECK(map->longest_at("abcd", 0).bytes == 3);
  CHECK(map->longest_at("abx", 0).bytes == 2);
  CHECK(map->longest_at("abx", 0).replacement.empty());
  CHECK(map->longest_at("xab", 1).bytes == 2);
  CHECK(map->longest_at("xaé", 2).replacement == "e");
  CHECK(map->longest_at("x", 0).bytes == 0);
  CHECK(Charsmap().longest_at("a", 0).bytes == 0);
}

TEST_CASE("malformed charsmaps are refused with the reason") {
  const auto sound = made_up_charsmap({{"a", "b"}, {"ab", "c"}});
  CHECK(error_of(sound).empty());
  CHECK(error_of({}).find("0 bytes") != std::string::npos);
  CHECK(error_of({255, 255, 255, 255}).find("only 0 follow") != std::string::npos);
  CHECK(error_of({0, 0, 0, 0}).find("multiple of 4") != std::string::npos);
  auto cut = sound;
  cut.pop_back();  // the zero after the last replacement
  CHECK(error_of(cut).find("a zero after") != std::string::npos);
  CHECK(error_of(made_up_charsmap({{"a", std::string(256, 'x')}})).empty());
  CHECK(error_of(made_up_charsmap({{"a", std::string(257, 'x')}})).find("at most 256") !=
        std::string::npos);
  CHECK(error_of(made_up_charsmap({{std::string(64, 'a'), "x"}})).empty());
  CHECK(error_of(made_up_charsmap({{std::string(65, 'a'), "x"}})).find("longer than 64") !=
        std::string::npos);
}

TEST_CASE("no bytes make a charsmap that hangs or reads outside") {
  std::mt19937 random(5);
  const auto sound = made_up_charsmap({{"a", "b"}, {"ab", "c"}, {"b", "d"}});
  for (int round = 0; round < 300; ++round) {
    auto bytes = sound;
    for (int i = 0; i < 4; ++i) bytes[random() % bytes.size()] = static_cast<uint8_t>(random());
    const auto map = Charsmap::parse(bytes);
    if (map) (void)map->longest_at("abab", 0);
  }
  // Every unit is its own child by every byte that labels it.
  std::vector<uint8_t> loop = {16, 0, 0, 0};
  for (int unit = 0; unit < 4; ++unit)
    loop.insert(loop.end(), {static_cast<uint8_t>(unit), 4, 0, 0});
  loop.push_back(0);
  (void)Charsmap::parse(loop);
}
