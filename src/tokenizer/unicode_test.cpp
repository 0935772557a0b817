#include "tokenizer/unicode.h"

#include <doctest/doctest.h>

using namespace issun::tokenizer;

TEST_CASE("characters have the class that Unicode gives them") {
  CHECK(char_class('a') == CharClass::Letter);
  CHECK(char_class(U'ß') == CharClass::Letter);
  CHECK(char_class(U'漢') == CharClass::Letter);
  CHECK(char_class(0x2EBF0) == CharClass::Letter);  // new in 15.1
  CHECK(char_class('7') == CharClass::Number);
  CHECK(char_class(U'½') == CharClass::Number);
  CHECK(char_class(0x301) == CharClass::Mark);
  CHECK(char_class('_') == CharClass::Punctuation);
  CHECK(char_class(U'…') == CharClass::Punctuation);
  CHECK(char_class('$') == CharClass::Symbol);
  CHECK(char_class(U'😀') == CharClass::Symbol);
  CHECK(char_class(0x3000) == CharClass::Separator);
  CHECK(char_class(0) == CharClass::Other);
  CHECK(char_class(0xE000) == CharClass::Other);
  CHECK(char_class(0x378) == CharClass::Unassigned);
  CHECK(char_class(0x10FFFF) == CharClass::Unassigned);
}

TEST_CASE("exactly the 25 characters of White_Space are whitespace") {
  int count = 0;
  for (char32_t code = 0; code < 0x110000; ++code) count += is_whitespace(code);
  CHECK(count == 25);
  for (const char32_t code : {9, 10, 13, 32, 0x85, 0xA0, 0x1680, 0x2028, 0x3000}) {
    CHECK(is_whitespace(code));
  }
  CHECK_FALSE(is_whitespace(0x200B));
}

TEST_CASE("a malformed byte is a character of its own") {
  std::vector<Char> chars;
  read_chars(
      "a\xE3\x81"
      "b漢",
      chars);
  REQUIRE(chars.size() == 5);
  CHECK(chars[1].code == 0xFFFD);
  CHECK(chars[1].bytes == 1);
  CHECK(chars[4].code == U'漢');
  CHECK(chars[4].bytes == 3);
  CHECK((chars[4].traits & kHanTrait) != 0);
}
