#include "measure/study/prompts.h"

#include <doctest/doctest.h>

#include "base/file.h"
#include "scratch_folder.h"

using namespace issun;
using namespace issun::measure;

TEST_CASE("the published prompts are five, one with an open bracket") {
  REQUIRE(default_prompts().size() == 5);
  CHECK(
      default_prompts()[1] ==
      "イギリスの産業革命が始まったのは何年ですか?また、その影響について簡単に説明してください。");
  CHECK(default_prompts()[2].ends_with("今後もその発展が注目されています。"));
  CHECK(default_prompts()[3].ends_with("』"));
}

TEST_CASE("prompts come a line each or as an array") {
  CHECK(parse_prompts("a\r\n\nb", "x").value() == std::vector<std::string>{"a", "b"});
  CHECK(parse_prompts("\n [\"a\\nb\", \"c\"]", "x").value() ==
        std::vector<std::string>{"a\nb", "c"});
  for (const char* bad : {"", "\n\n", "[]", "[1]", "[\"a\"", "[\"\"]"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_prompts(bad, "x").has_value());
  }
}

TEST_CASE("a text is cut between characters, and taken out of JSON lines") {
  const ScratchFolder scratch;
  const std::string plain = scratch.path("a.txt"), lines = scratch.path("a.jsonl");
  REQUIRE(write_atomically(plain, "aあい").has_value());
  CHECK(read_study_text(plain, 100).value() == "aあい");
  CHECK(read_study_text(plain, 6).value() == "aあ");
  CHECK(read_study_text(plain, 4).value() == "aあ");
  CHECK(read_study_text(plain, 3).value() == "a");
  REQUIRE(write_atomically(lines, "{\"text\": \"one\"}\n{\"text\": \"two\"}\n").has_value());
  CHECK(read_study_text(lines, 100).value() == "one\n\ntwo\n\n");
  REQUIRE(write_atomically(lines, "{\"text\": \"one\"}\n{\"other\": 1}\n").has_value());
  CHECK(read_study_text(lines, 100).error().message.find("line 2") != std::string::npos);
  CHECK_FALSE(read_study_text(scratch.path("none"), 10).has_value());
}
