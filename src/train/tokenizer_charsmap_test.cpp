#include "train/tokenizer_charsmap.h"

#include <doctest/doctest.h>

#include <random>

#include "tokenizer/charsmap.h"
#include "train/tokenizer_nfkc.h"

using namespace issun;
using namespace issun::train;

namespace {

std::string replace(const tokenizer::Charsmap& map, std::string_view text) {
  std::string out;
  map.replace(text, [&](std::string_view part) { out += part; });
  return out;
}

uint32_t number_at(const std::vector<uint8_t>& bytes, size_t at) {
  return bytes[at] | uint32_t{bytes[at + 1]} << 8 | uint32_t{bytes[at + 2]} << 16 |
         uint32_t{bytes[at + 3]} << 24;
}

}  // namespace

TEST_CASE("A charsmap that was made is read back, text by text") {
  const uint32_t seed = 21;
  CAPTURE(seed);
  std::mt19937 random(seed);
  std::map<std::string, std::string> replaced;
  for (int i = 0; i < 3000; ++i) {
    std::string text, to;
    for (size_t n = 1 + random() % 6; n > 0; --n) text += static_cast<char>(1 + random() % 255);
    for (size_t n = random() % 4; n > 0; --n) to += static_cast<char>('a' + random() % 26);
    replaced.emplace(text, to);
  }
  const auto bytes = make_charsmap(replaced);
  const auto map = tokenizer::Charsmap::parse(bytes);
  REQUIRE_MESSAGE(map.has_value(), map.error().message);
  for (const auto& [text, to] : replaced) {
    const auto match = map->longest_at(text, 0);
    CHECK(match.bytes == text.size());
    CHECK(match.replacement == to);
  }
  for (int i = 0; i < 3000; ++i) {
    std::string text;
    for (size_t n = 1 + random() % 6; n > 0; --n) text += static_cast<char>(1 + random() % 255);
    size_t longest = 0;
    for (size_t n = 1; n <= text.size(); ++n)
      longest = replaced.contains(text.substr(0, n)) ? n : longest;
    CHECK(map->longest_at(text, 0).bytes == longest);
  }
  // Whole blocks of 256 units.
  CHECK(number_at(bytes, 0) % 1024 == 0);
}

TEST_CASE("Normalization Form KC as a charsmap") {
  const auto map = tokenizer::Charsmap::parse(make_charsmap(nfkc_replacements()));
  REQUIRE_MESSAGE(map.has_value(), map.error().message);
  CHECK(replace(*map, "ＡＢＣ１２３！") == "ABC123!");
  CHECK(replace(*map, "ﾊﾝｶｸ ｶﾞｷﾞﾊﾟｰﾄ") == "ハンカク ガギパート");
  CHECK(replace(*map, "か\u3099 は\u309A カﾞ") == "が ぱ ガ");
  CHECK(replace(*map, "①㈱㌔\u3000…ﬁ²") == "1(株)キロ ...fi2");
  CHECK(replace(*map, "e\u0301 a\u0302\u0301 Ａ\u030A") == "é ấ Å");
  CHECK(replace(*map, "吾輩は猫である。The cat\n") == "吾輩は猫である。The cat\n");
  CHECK(replace(*map, "㍻\uF9D0가") == "平成類가");
}
