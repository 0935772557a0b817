#include "train/documents.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "base/file.h"
#include "scratch_folder.h"

using namespace issun;
using namespace issun::train;

namespace {

std::vector<std::string> texts_of(const std::vector<std::string>& paths,
                                  const DocumentOptions& options = {}) {
  std::vector<std::string> texts;
  const auto sources = find_sources(paths);
  REQUIRE_MESSAGE(sources, sources.error().message);
  const auto read = read_documents(*sources, options, [&](Document document) -> Result<void> {
    texts.push_back(document.text);
    return {};
  });
  REQUIRE_MESSAGE(read, read.error().message);
  return texts;
}

std::string error_of(const std::string& path) {
  const auto sources = find_sources({path});
  if (!sources) return sources.error().message;
  const auto read = read_documents(*sources, {}, [](Document) { return Result<void>(); });
  REQUIRE_FALSE(read);
  return read.error().message;
}

}  // namespace

TEST_CASE("A folder is read in the order of its names, other kinds of file are counted") {
  const ScratchFolder scratch;
  std::filesystem::create_directory(scratch.path("b"));
  for (const char* name : {"c.txt", "a.md", "b/2.txt", "b/1.txt", "z.png", "b/w.bin", ".h.txt"}) {
    REQUIRE(write_atomically(scratch.path(name), name));
  }
  const std::vector<std::string> expected = {"a.md", "b/1.txt", "b/2.txt", "c.txt"};
  CHECK(texts_of({scratch.path("")}) == expected);
  const std::vector<std::string> skipped = {scratch.path("b/w.bin"), scratch.path("z.png")};
  CHECK(find_sources({scratch.path("")})->skipped == skipped);
  CHECK(error_of(scratch.path("z.png")) ==
        scratch.path("z.png") + ": expected a name that ends in .txt, .md or .jsonl");
  CHECK(error_of(scratch.path("none")) ==
        scratch.path("none") + ": expected a file or a folder, found none");
  std::filesystem::create_directory(scratch.path("empty"));
  CHECK(error_of(scratch.path("empty")) ==
        scratch.path("empty") + ": expected files that end in .txt, .md or .jsonl, found 0 others");
}

TEST_CASE("A text is cut at lines, or where paragraphs end, and loses nothing but blanks") {
  const ScratchFolder scratch;
  const std::string path = scratch.path("t.txt");
  REQUIRE(write_atomically(path, "\xEF\xBB\xBF\n\none\n\ntwo\r\nmore\n \n\nthree, and long\n"));
  const auto cut = [&](int64_t bytes) {
    return texts_of({path}, {DocumentSplit::BlankLines, bytes});
  };
  using Texts = std::vector<std::string>;
  CHECK(cut(1) == Texts{"one", "two\r\nmore", "three, and long"});
  CHECK(cut(20) == Texts{"\n\none\n\ntwo\r\nmore", "three, and long"});
  CHECK(cut(1000) == Texts{"\n\none\n\ntwo\r\nmore\n \n\nthree, and long"});
  CHECK(texts_of({path}, {DocumentSplit::Lines, 0}) ==
        Texts{"one", "two", "more", "three, and long"});
  CHECK(texts_of({path}).size() == 1);
}

TEST_CASE("What is no text is refused with file and line") {
  const ScratchFolder scratch;
  REQUIRE(write_atomically(scratch.path("bad.txt"), "fine\nno\xC3("));
  CHECK(error_of(scratch.path("bad.txt")) ==
        scratch.path("bad.txt") + ":2: expected UTF-8, found other bytes at byte 7");
  REQUIRE(write_atomically(scratch.path("empty.txt"), " \n"));
  CHECK(error_of(scratch.path("empty.txt")) ==
        scratch.path("empty.txt") + ": expected text, found none");
  REQUIRE(write_atomically(scratch.path("l.jsonl"), "{\"text\":\"x\"}\n\n{\"text\":3}\n"));
  CHECK(error_of(scratch.path("l.jsonl")) ==
        scratch.path("l.jsonl") + ":3: \"text\": expected a string, found int");
}

TEST_CASE("A record may be text, a talk in either form, a prompt with its answer, or a pair") {
  CHECK(read_record(R"({"text": "a\u00e9", "id": 7})")->text == "aé");
  const auto talk = read_record(
      R"({"messages": [{"role": "user", "content": "hi"},
          {"role": "assistant", "content": "yes", "weight": 0}], "tools": []})");
  REQUIRE(talk);
  CHECK(talk->kind == Document::Kind::Chat);
  CHECK(talk->messages.items().values.size() == 2);
  const auto shared = read_record(R"({"system": "be kind", "conversations":
      [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "yes"}]})");
  REQUIRE(shared);
  const auto& messages = shared->messages.items().values;
  REQUIRE(messages.size() == 3);
  CHECK(messages[0].entries().find("role")->text() == "system");
  CHECK(messages[2].entries().find("role")->text() == "assistant");
  CHECK(messages[2].entries().find("content")->text() == "yes");
  CHECK(messages[2].entries().find("value") == nullptr);
  const auto order = read_record(R"({"instruction": "add", "input": "1 2", "output": "3"})");
  CHECK(order->prompt == "add\n\n1 2");
  CHECK(order->answer == "3");
  CHECK(read_record(R"({"prompt": "", "completion": "3"})")->kind == Document::Kind::Completion);
  CHECK(read_record(R"({"anchor": "q", "positive": "p", "negative": "n"})")->negative == "n");
}

TEST_CASE("A record that is none of these says what it should be") {
  const auto error = [](const char* line) {
    const auto record = read_record(line);
    REQUIRE_FALSE(record);
    return record.error().message;
  };
  CHECK(error("[]").starts_with("expected an object with text, messages"));
  CHECK(error("{\"txt\": \"a\"}").starts_with("expected an object with text, messages"));
  CHECK(error("{\"text\": \"a\"").starts_with("JSON: "));
  CHECK(error("{\"text\": \"\"}") == "\"text\": expected text, found an empty string");
  CHECK(error(R"({"messages": {}})") == "\"messages\": expected a list of messages, found dict");
  CHECK(error(R"({"messages": []})") ==
        "\"messages\": expected an answer of the assistant, found none");
  CHECK(error(R"({"messages": [{"role": "bot", "content": ""}]})") ==
        "\"messages\"[0]: \"role\": expected system, developer, user, assistant or tool, found "
        "'bot'");
  CHECK(error(R"({"messages": [{"role": "user"}]})") ==
        "\"messages\"[0]: expected \"content\" as well");
  CHECK(error(R"({"prompt": "a"})") == "expected \"completion\" as well");
  CHECK(error(R"({"query": "a", "positive": null})") ==
        "\"positive\": expected a string, found None");
}
