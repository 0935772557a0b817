#include "base/utf8.h"

#include <doctest/doctest.h>

using namespace issun;

TEST_CASE("every code point but the surrogates comes back from its bytes") {
  for (char32_t code = 0; code < 0x110000; ++code) {
    if (code >= 0xD800 && code < 0xE000) continue;
    std::string bytes;
    append_utf8(code, bytes);
    const Utf8Char c = decode_utf8(bytes, 0);
    if (c.code != code || c.state != Utf8::Valid || c.bytes != static_cast<int>(bytes.size()) ||
        utf8_width(static_cast<unsigned char>(bytes[0])) != c.bytes) {
      FAIL("code point " << static_cast<uint32_t>(code));
    }
  }
}

TEST_CASE("overlong forms, surrogates and numbers beyond the code space are malformed") {
  for (const char* text :
       {"\xC0\x80", "\xC1\xBF", "\xE0\x80\x80", "\xED\xA0\x80", "\xF0\x80\x80\x80",
        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\x80", "\xFF"}) {
    CHECK(decode_utf8(text, 0).state == Utf8::Malformed);
    CHECK(decode_utf8(text, 0).bytes == 1);
    CHECK_FALSE(valid_utf8(text));
  }
}

TEST_CASE("a character cut short is truncated at the end and malformed before other text") {
  const Utf8Char end = decode_utf8("\xE3\x81", 0);
  CHECK(end.state == Utf8::Truncated);
  CHECK(end.bytes == 2);
  const Utf8Char middle = decode_utf8("\xE3\x81 ", 0);
  CHECK(middle.state == Utf8::Malformed);
  CHECK(middle.bytes == 2);
}

TEST_CASE("repair puts one U+FFFD for each maximal subpart (Unicode 15 table 3-8 and 3-11)") {
  CHECK(repaired_utf8("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41") ==
        "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\x41");
  CHECK(repaired_utf8("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41") == "\uFFFD\uFFFD\uFFFD\uFFFD\x41");
  CHECK(repaired_utf8("gr\xC3\xBC\xC3\x9F") == "gr\xC3\xBC\xC3\x9F");
}
