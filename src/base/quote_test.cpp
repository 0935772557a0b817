#include "base/quote.h"

#include <doctest/doctest.h>

using namespace issun;

TEST_CASE("A name in a message is short ASCII, whatever the file says") {
  CHECK(printable("blk.0.ffn_up") == "blk.0.ffn_up");
  CHECK(printable("a\x1b[2Jb\n") == "a\\x1b[2Jb\\x0a");
  CHECK(printable("\xe4\xb8\x80") == "\\xe4\\xb8\\x80");
  CHECK(printable(std::string(64, 'x')) == std::string(64, 'x'));
  CHECK(printable(std::string(65, 'x')) == std::string(64, 'x') + "...");
}

TEST_CASE("Text for a person keeps every language and loses what steers a terminal") {
  CHECK(visible("\xe4\xb8\x80 caf\xc3\xa9") == "\xe4\xb8\x80 caf\xc3\xa9");
  CHECK(visible("a\x1b]0;b\x07\tc\x7f") == "a\\x1b]0;b\\x07\\x09c\\x7f");
  CHECK(visible("\xc2\x9b"
                "2J") == "\\xc2\\x9b2J");  // C1: one character that begins a control sequence
  CHECK(visible("\xc2\xa0") == "\xc2\xa0");
  CHECK(visible("\xff\xe4\xb8") == "\\xff\\xe4\\xb8");
  CHECK(visible(std::string_view("a\0b", 3)) == "a\\x00b");
}

TEST_CASE("Line ends stay where lines are wanted, and only there") {
  CHECK(visible("a\nb") == "a\\x0ab");
  CHECK(visible_lines("a\nb\r\n") == "a\nb\\x0d\n");
}

TEST_CASE("The last line of what was said, without line ends") {
  CHECK(last_line("a\nb\x1b\n\r\n") == "b\\x1b");
  CHECK(last_line("a") == "a");
  CHECK(last_line("\n").empty());
  CHECK(last_line("").empty());
}
