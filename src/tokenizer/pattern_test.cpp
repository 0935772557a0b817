#include "tokenizer/pattern.h"

#include <doctest/doctest.h>

#include <string>

using namespace issun::tokenizer;

namespace {

// What the pattern matches at the start of a text.
std::string matched(std::string_view notation, std::string_view text) {
  std::vector<Char> chars;
  read_chars(text, chars);
  const size_t count = Pattern(notation).match(chars, 0);
  size_t bytes = 0;
  for (size_t i = 0; i < count; ++i) bytes += chars[i].bytes;
  return std::string(text.substr(0, bytes));
}

}  // namespace

TEST_CASE("sets hold literals, ranges, classes, and what is left of a difference") {
  CHECK(matched("[a-c\\]-]+", "ab]-cd") == "ab]-c");
  CHECK(matched("[^a-c]+", "xyéa") == "xyé");
  CHECK(matched("\\p{L}+", "Straße۳") == "Straße");
  CHECK(matched("\\p{N}+", "1²Ⅳ٣x") == "1²Ⅳ٣");
  CHECK(matched("\\p{M}+", "\u0301\u0308e") == "\u0301\u0308");
  CHECK(matched("[\\p{P}\\p{S}]+", "¿€+a") == "¿€+");
  CHECK(matched("[\\p{L}--a-z]+", "ÀBéd") == "ÀBé");
  CHECK(matched("\\p{Han}+", "漢字かな") == "漢字");
  CHECK(matched("\\s+", " \t\r\n\u00A0\u3000\u0085x") == " \t\r\n\u00A0\u3000\u0085");
}

TEST_CASE(
    "the first alternative that matches wins, and repetitions give back what the rest needs") {
  CHECK(matched("a|ab", "ab") == "a");
  CHECK(matched("\\s*[\\r\\n]+", "  \n \n x") == "  \n \n");
  CHECK(matched("[\\p{L}--a-z]*[\\p{L}--A-Z]+", "漢字") == "漢字");
  CHECK(matched("[0-9]{1,3}", "12345") == "123");
  CHECK(matched("[0-9]{2}", "1") == "");
  CHECK(matched("x*", "y") == "");  // nothing is no match
}

TEST_CASE("whitespace before a word leaves its last character to the word") {
  CHECK(matched("\\s+(?!\\S)", "   x") == "  ");
  CHECK(matched("\\s+(?!\\S)", "   ") == "   ");
  CHECK(matched("\\s+(?!\\S)", " x") == "");
}

TEST_CASE("an optional suffix is taken when it is there") {
  CHECK(matched("\\p{L}+(?:'[sS]|'[rR][eE])?", "we'RE") == "we'RE");
  CHECK(matched("\\p{L}+(?:'[sS]|'[rR][eE])?", "we'r") == "we");
}

TEST_CASE("a malformed byte is a symbol of one byte") {
  CHECK(matched("[^\\s\\p{L}\\p{N}]+", "\xFF\xC3 x") == "\xFF\xC3");
}
