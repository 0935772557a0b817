#include "tokenizer/special_tokens.h"

#include <doctest/doctest.h>

#include <ctime>

#include "tokenizer/made_up_vocabulary.h"

using namespace issun::tokenizer;

namespace {

MadeUpVocabulary markup() {
  MadeUpVocabulary v;
  v.model = "gpt2";
  v.add("x");
  v.add("<user>", TokenKind::UserDefined);    // 1
  v.add("<end>", TokenKind::Control);         // 2
  v.add("<end><end>", TokenKind::Control);    // 3
  v.add("  ", TokenKind::UserDefined);        // 4
  v.add("   ", TokenKind::UserDefined);       // 5
  v.add("ab", TokenKind::UserDefined);        // 6
  v.add("bcd", TokenKind::UserDefined);       // 7
  v.add("<|go|>", TokenKind::UserDefined);    // 8
  v.add("</think>", TokenKind::UserDefined);  // 9
  v.add("[TOOL]", TokenKind::UserDefined);    // 10
  v.add("</table>", TokenKind::UserDefined);  // 11
  v.add("[]", TokenKind::UserDefined);        // 12
  return v;
}

std::string show(const SpecialTokens& special, std::string_view text, bool parse_special,
                 std::vector<issun::ByteRange> literal = {}) {
  std::vector<Fragment> fragments;
  special.cut(text, parse_special, fragments, literal);
  std::string result;
  for (const Fragment& f : fragments) {
    if (!result.empty()) result += ' ';
    result += f.token == kNoToken ? "'" + std::string(f.text) + "'" : std::to_string(f.token);
  }
  return result;
}

}  // namespace

TEST_CASE("special tokens are cut out, the longest first") {
  const MadeUpVocabulary made_up = markup();
  const auto metadata = made_up.metadata();
  const auto vocabulary = Vocabulary::load(metadata).value();
  SpecialTokens special(vocabulary);
  CHECK(show(special, "", true) == "");
  CHECK(show(special, "plain", true) == "'plain'");
  CHECK(show(special, "<user>hi<end>", true) == "1 'hi' 2");
  CHECK(show(special, "<user>hi<end>", false) == "1 'hi<end>'");
  CHECK(show(special, "<end><end><end>", true) == "3 2");
  CHECK(show(special, "a    b", true) == "'a' 5 ' b'");
  CHECK(show(special, "a     b", true) == "'a' 5 4 'b'");
  CHECK(show(special, "abcd", true) == "'a' 7");  // longer, though it starts later
  CHECK(show(special, "abc", true) == "6 'c'");
  CHECK(show(special, "<en", true) == "'<en'");
}

TEST_CASE("markup that reaches into literal text is text") {
  const MadeUpVocabulary made_up = markup();
  const auto metadata = made_up.metadata();
  const auto vocabulary = Vocabulary::load(metadata).value();
  const SpecialTokens special(vocabulary);
  CHECK(show(special, "<end>a<end>", true, {{6, 11}}) == "2 'a<end>'");
  CHECK(show(special, "<end>a<end>", true, {{5, 6}}) == "2 'a' 2");
  CHECK(show(special, "<end>", true, {{4, 5}}) == "'<end>'");
  CHECK(show(special, "<end>", true, {{0, 1}}) == "'<end>'");
  CHECK(show(special, "<end><end>", true, {{5, 6}}) == "2 '<end>'");  // not the longer of both
  CHECK(show(special, "<end><end><end>", true, {{0, 1}, {14, 15}}) == "'<end>' 2 '<end>'");
  CHECK(show(special, "<user>ab", true, {{0, 8}}) == "'<user>' 6");
  CHECK(show(special, "</think></think>", true, {{8, 16}}) == "9 '</think>'");
  CHECK(show(special, "[TOOL][TOOL]", true, {{6, 12}}) == "10 '[TOOL]'");
  CHECK(show(special, "</table>[]", true, {{0, 10}}) == "11 12");  // no sign of a talk
  CHECK(show(special, "<|go|><|go|>", true, {{6, 12}}) == "8 '<|go|>'");
  CHECK(show(special, "<|go|>", false) == "8");
}

TEST_CASE("a stripping token swallows the whitespace on its side") {
  const MadeUpVocabulary made_up = markup();
  const auto metadata = made_up.metadata();
  const auto vocabulary = Vocabulary::load(metadata).value();
  SpecialTokens right(vocabulary), left(vocabulary);
  right.strip_right(2);
  left.strip_left(2);
  CHECK(show(right, "a <end> \n b", true) == "'a ' 2 'b'");
  CHECK(show(left, "a \n<end> b", true) == "'a' 2 ' b'");
  CHECK(show(left, " <end>", true) == "2");
}

TEST_CASE("a long text of nested tokens is cut in little time and memory") {
  MadeUpVocabulary made_up;
  made_up.model = "gpt2";
  for (size_t n = 1; n < 64; ++n) made_up.add(std::string(n, ' '), TokenKind::UserDefined);
  const auto metadata = made_up.metadata();
  const auto vocabulary = Vocabulary::load(metadata).value();
  const SpecialTokens special(vocabulary);
  const std::clock_t start = std::clock();
  std::vector<Fragment> fragments;
  special.cut(std::string((1 << 17) + 5, ' '), true, fragments);
  CHECK(fragments.size() == (1 << 17) / 63 + 1);
  CHECK(std::clock() - start < 5 * CLOCKS_PER_SEC);
}
