#include "tokenizer/pretokenize.h"

#include <doctest/doctest.h>

#include <ctime>
#include <set>
#include <string>

using namespace issun::tokenizer;
using Words = std::vector<std::string>;

namespace {

Words words(std::string_view pre, std::string_view text) {
  const Preset* preset = find_preset(pre);
  REQUIRE(preset != nullptr);
  Pretokenizer::Scratch scratch;
  Pretokenizer(*preset).split(text, scratch);
  Words result;
  size_t begin = 0;
  for (const size_t end : scratch.ends) {
    result.emplace_back(text.substr(begin, end - begin));
    begin = end;
  }
  return result;
}

Words all_names() {
  Words names;
  const std::string list = preset_names();
  for (size_t at = 0; at < list.size();) {
    const size_t end = std::min(list.find(' ', at), list.size());
    names.push_back(list.substr(at, end - at));
    at = end + 1;
  }
  return names;
}

}  // namespace

TEST_CASE("words are cut as the published patterns say") {
  CHECK(words("gpt-2", "I'm 42,  ok") == Words{"I", "'m", " 42", ",", " ", " ok"});
  CHECK(words("llama-bpe", "I'M 12345!\n x") == Words{"I", "'M", " ", "123", "45", "!\n", " x"});
  CHECK(words("qwen2", "a1234") == Words{"a", "1", "2", "3", "4"});
  CHECK(words("gpt-4o", "HelloWorld's fooBar/\n") ==
        Words{"Hello", "World's", " foo", "Bar", "/\n"});
  CHECK(words("tekken", "HelloWorld's") == Words{"Hello", "World", "'s"});
  CHECK(words("cohere2moe", "1234567") == Words{"1", "234", "567"});
  CHECK(words("superbpe", "ab 1234567") == Words{"ab ", "1", "234", "567"});
  CHECK(words("deepseek-llm", "x  \n") == Words{"x", "  ", "\n"});
  CHECK(words("kimi-k2", "漢字abc") == Words{"漢字", "abc"});
  CHECK(words("gemma4", "a b\n\nc") == Words{"a b", "\n\n", "c"});
}

TEST_CASE("words of every splitter put together are the text, malformed or not") {
  const std::string text =
      "A b'S  12345 \xFF\xE3\x81 漢字かな　한국 \n\n\t\u0301é […] don't\r\n ۱۲۳ <|x|> ";
  const Words names = all_names();
  CHECK(names.size() > 60);
  for (const std::string& name : names) {
    CAPTURE(name);
    std::string joined;
    for (const std::string& word : words(name, text)) {
      CHECK_FALSE(word.empty());
      joined += word;
    }
    CHECK(joined == text);
  }
}

TEST_CASE("unknown splitters have no preset") {
  CHECK(find_preset("") == nullptr);
  CHECK(find_preset("gpt") == nullptr);
  CHECK(find_preset("gpt-2 phi-2") == nullptr);
}

TEST_CASE("no splitter takes more than linear time on long runs") {
  std::set<const Preset*> seen;
  for (const std::string& name : all_names()) {
    if (!seen.insert(find_preset(name)).second) continue;
    for (const char* unit : {" ", "a", "A", "7", "\n", "'", "漢", "! ", " \n"}) {
      std::string text;
      while (text.size() < 50'000) text += unit;
      text += "x";
      const std::clock_t start = std::clock();
      words(name, text);
      const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
      CAPTURE(name);
      CAPTURE(unit);
      CHECK(seconds < 2.0);  // quadratic would be ten and more, linear is milliseconds
    }
  }
}
