#include "train/tokenizer_text.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "base/file.h"
#include "scratch_folder.h"

using namespace issun;
using namespace issun::train;

namespace {

Result<TrainingText> open_text(std::vector<std::string> inputs, int64_t sample = 0,
                               uint64_t seed = 1) {
  const auto workers = *Workers::create(2);
  return TrainingText::open({.inputs = std::move(inputs), .sample_bytes = sample, .seed = seed},
                            *workers);
}

std::string joined(const TrainingText& text) {
  std::string all;
  for (const std::string_view chunk : text.chunks()) all += chunk;
  return all;
}

std::string error_of(const ScratchFolder& folder, const std::string& name,
                     std::string_view content) {
  REQUIRE(write_atomically(folder.path(name), content));
  const auto text = open_text({folder.path(name)});
  return text ? "" : text.error().message.substr(folder.path("").size());
}

}  // namespace

TEST_CASE("Folders give their texts, and lines of JSON their text") {
  const ScratchFolder folder;
  std::filesystem::create_directories(folder.path("in/deep"));
  REQUIRE(write_atomically(folder.path("in/a.txt"), "\uFEFFone\n"));
  REQUIRE(write_atomically(folder.path("in/b.png"), "\xFF"));
  REQUIRE(write_atomically(folder.path("in/deep/c.md"), "two\n"));
  REQUIRE(
      write_atomically(folder.path("in/z.jsonl"),
                       "{\"id\":[1],\"text\":\"th\\u00e9\"}\n\n{\"text\":\"\"}\n{\"text\":\"!\"}"));
  const auto text = open_text({folder.path("in")});
  REQUIRE_MESSAGE(text.has_value(), text.error().message);
  CHECK(joined(*text) == "one\ntwo\nthé!");
  CHECK(text->files() == 3);
  CHECK(text->bytes() == 13);
}

TEST_CASE("Long texts are cut at lines, or between characters, and nothing is lost") {
  const ScratchFolder folder;
  std::string lines, line;
  for (int i = 0; i < 60000; ++i) lines += "吾輩は猫である\n";
  for (int i = 0; i < 300000; ++i) line += "猫";
  for (const std::string* content : {&lines, &line}) {
    REQUIRE(write_atomically(folder.path("long.txt"), *content));
    const auto text = open_text({folder.path("long.txt")});
    REQUIRE_MESSAGE(text.has_value(), text.error().message);
    CHECK(text->chunks().size() > 3);
    for (const std::string_view chunk : text->chunks()) {
      CHECK(static_cast<int64_t>(chunk.size()) <= TrainingText::kChunkBytes);
      CHECK((chunk.front() & 0xC0) != 0x80);
      if (content == &lines) CHECK(chunk.back() == '\n');
    }
    CHECK(joined(*text) == *content);
  }
}

TEST_CASE("A sample is about as long as asked for, and the same for the same seed") {
  const ScratchFolder folder;
  std::string content;
  for (int i = 0; content.size() < 20u << 20; ++i) content += fmt::format("line {}\n", i);
  REQUIRE(write_atomically(folder.path("big.txt"), content));
  const int64_t wanted = 10 << 20;
  const auto a = open_text({folder.path("big.txt")}, wanted, 7),
             b = open_text({folder.path("big.txt")}, wanted, 7),
             c = open_text({folder.path("big.txt")}, wanted, 8);
  REQUIRE((a && b && c));
  CHECK(joined(*a) == joined(*b));
  CHECK(joined(*a) != joined(*c));
  // 80 chunks, each taken with probability 1/2: a standard deviation of 4.5 of 40.
  CHECK(a->bytes() > wanted / 2);
  CHECK(a->bytes() < wanted * 3 / 2);
  CHECK(open_text({folder.path("big.txt")}, int64_t{1} << 40)->bytes() ==
        static_cast<int64_t>(content.size()));
}

TEST_CASE("Texts that cannot be learnt from are named") {
  const ScratchFolder folder;
  CHECK(error_of(folder, "bad.txt", "good\xC3") ==
        "bad.txt: expected UTF-8, found a malformed character at byte 4");
  CHECK(error_of(folder, "mark.txt", "\uFEFFab\xFF") ==
        "mark.txt: expected UTF-8, found a malformed character at byte 5");
  CHECK(error_of(folder, "a.jsonl", "{\"text\":\"a\"}\n{\"texts\":\"a\"}\n") ==
        "a.jsonl: line 2: expected an object with a \"text\", found none in it");
  CHECK(error_of(folder, "b.jsonl", "{\"text\":1}")
            .find("b.jsonl: line 1: JSON: expected a string") == 0);
  CHECK(error_of(folder, "c.jsonl", "{\"text\":\"a\"} x").find("c.jsonl: line 1: JSON") == 0);
  REQUIRE(write_atomically(folder.path("empty.txt"), ""));
  CHECK(open_text({folder.path("empty.txt")}).error().message ==
        "expected text to learn from, found none in 1 file");
  std::filesystem::create_directories(folder.path("none"));
  CHECK(
      open_text({folder.path("none")}).error().message.find("expected .txt, .md or .jsonl files") !=
      std::string::npos);
  CHECK(open_text({folder.path("absent")}).error().message.find("absent") != std::string::npos);
}
