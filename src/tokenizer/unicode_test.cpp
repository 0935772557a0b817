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

TEST_CASE("characters lose their accents and their case as Unicode says") {
  CHECK(base_character('e') == 'e');
  CHECK(base_character(U'é') == 'e');
  CHECK(base_character(U'ệ') == 'e');  // decomposes twice
  CHECK(base_character(U'Å') == 'A');
  CHECK(base_character(0x212B) == 'A');  // the Angstrom sign
  CHECK(base_character(U'が') == U'か');
  CHECK(base_character(U'한') == 0x1112);
  CHECK(base_character(0xD7A3) == 0x1112);
  CHECK(base_character(0xD7A4) == 0xD7A4);
  CHECK(base_character(U'ﬁ') == U'ﬁ');  // a compatibility decomposition is none
  CHECK(base_character(0x2FA1D) == 0x2A600);
  CHECK(base_character(0x10FFFF) == 0x10FFFF);
  CHECK(lower_case('Z') == 'z');
  CHECK(lower_case('[') == '[');
  CHECK(lower_case(U'É') == U'é');
  CHECK(lower_case(0x100) == 0x101);
  CHECK(lower_case(0x101) == 0x101);
  CHECK(lower_case(U'Ж') == U'ж');
  CHECK(lower_case(0x1E921) == 0x1E943);
  CHECK(lower_case(U'漢') == U'漢');
}
