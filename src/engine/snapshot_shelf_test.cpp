#include "engine/snapshot_shelf.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "base/other_process.h"
#include "cache/snapshot.h"
#include "engine/engine.h"
#include "engine/test_tokenizer.h"
#include "model/fake.h"
#include "scratch_folder.h"

using namespace issun;
using namespace issun::engine;

namespace {

constexpr int64_t kContext = 512;

std::vector<int32_t> prompt_of(int length, int kind) {
  std::vector<int32_t> prompt;
  for (int i = 0; i < length; ++i) prompt.push_back(3 + (kind + i * kind + i / 7) % 25);
  return prompt;
}

// An engine over the fake model with a shelf, as after a start of the program.
struct Started {
  explicit Started(const std::string& folder, int64_t budget = 1 << 20, uint64_t model = 5,
                   int sequences = 2)
      : decoder(kTestVocabulary, 64, sequences, 0, 1),
        tokenizer(test_tokenizer()),
        engine(decoder, tokenizer,
               *cache::PagedKv::create(model::FakeDecoder::kv_shape(), kContext * sequences,
                                       sequences),
               {.context = kContext, .prompt_rows = 64}) {
    REQUIRE(
        engine.open_shelf({.folder = folder,
                           .budget_bytes = budget,
                           .model = model,
                           .warn = [this](const std::string& text) { warnings.push_back(text); }}));
  }
  // How many tokens of the prompt were found; the answer is checked.
  int ask(const std::vector<int32_t>& prompt, int scale = 1) {
    Request request;
    request.adapter_scales = {static_cast<float>(scale)};
    request.prompt = prompt;
    request.max_tokens = 4;
    request.sampling.temperature = 0;
    request.ignore_end = true;
    REQUIRE(engine.submit(std::move(request)));
    std::vector<int32_t> past = prompt;
    int cached = -1;
    while (!engine.idle()) {
      for (const Event& event : engine.step()) {
        const auto read = model::FakeDecoder::shifted(past, scale - 1);
        CHECK(event.token == model::FakeDecoder::next(read, kTestVocabulary));
        past.push_back(event.token);
        cached = event.statistics.cached_tokens;
      }
    }
    return cached;
  }

  std::vector<std::string> warnings;
  model::FakeDecoder decoder;
  tokenizer::Tokenizer tokenizer;
  Engine engine;
};

void write_byte(const std::string& path, int64_t at) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(at);
  const char was = static_cast<char>(file.get());
  file.seekp(at);
  file.put(static_cast<char>(was ^ 1));
}

std::vector<std::string> files_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    names.push_back(entry.path().string());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

TEST_CASE("What one run kept the next one finds, whole or where a prompt begins alike") {
  ScratchFolder scratch;
  const std::string folder = scratch.path("kept");
  const auto first = prompt_of(200, 3), second = prompt_of(150, 4);
  {
    Started run(folder);
    CHECK(run.ask(first) == 0);
    CHECK(run.ask(second) == 0);
    run.engine.save_kept();
  }
  CHECK(files_in(folder).size() == 2);
  Started run(folder);
  auto longer = first;
  longer.resize(180);
  longer.insert(longer.end(), 40, 7);
  CHECK(run.ask(longer) == 180);
  CHECK(run.ask(second) == 149);
  CHECK(run.ask(prompt_of(100, 11)) == 0);
  CHECK(run.warnings.empty());
  // Nothing new was written for what is there already, and what it leads to takes its place.
  run.engine.save_kept();
  CHECK(files_in(folder).size() == 4);
}

TEST_CASE("What was computed with other scales of adapters is found by requests that have them") {
  ScratchFolder scratch;
  const std::string folder = scratch.path("kept");
  const auto prompt = prompt_of(100, 3);
  {
    Started run(folder);
    CHECK(run.ask(prompt, 2) == 0);
    CHECK(run.ask(prompt, 1) == 0);
    CHECK(run.ask(prompt, 2) == 99);
    run.engine.save_kept();
  }
  CHECK(files_in(folder).size() == 2);
  for (const int scale : {2, 1}) {
    Started run(folder);
    CHECK(run.ask(prompt, scale) == 99);
    CHECK(run.ask(prompt, 3) == 0);
  }
}

TEST_CASE("A damaged file warns once, is left alone, and changes no answer") {
  ScratchFolder scratch;
  const std::string folder = scratch.path("kept");
  const auto prompt = prompt_of(100, 3);
  {
    Started run(folder);
    run.ask(prompt);
    run.engine.save_kept();
  }
  const std::string file = files_in(folder).at(0);
  const auto bytes = static_cast<int64_t>(std::filesystem::file_size(file));
  // In the head it is seen at the start, in the rows when they are wanted.
  for (int64_t at = 0; at < bytes; at += 37) {
    if (at >= 8 && at < 16) continue;
    CAPTURE(at);
    write_byte(file, at);
    Started run(folder);
    CHECK(run.ask(prompt) == 0);
    CHECK(run.ask(prompt_of(100, 3)) == 99);
    CHECK(run.warnings.size() == 1);
    write_byte(file, at);
  }
  std::filesystem::resize_file(file, static_cast<uintmax_t>(bytes - 100));
  Started run(folder);
  CHECK(run.ask(prompt) == 0);
  REQUIRE(run.warnings.size() == 1);
  CHECK(run.warnings[0].find("expected") != std::string::npos);
  CHECK(std::filesystem::exists(file));
}

TEST_CASE("A file that finds no room takes nothing away from what is kept") {
  ScratchFolder scratch;
  const std::string folder = scratch.path("kept");
  {
    Started run(folder);
    run.ask(prompt_of(500, 3));
    REQUIRE(run.engine.save_kept(0, "long"));
  }
  Started run(folder, 1 << 20, 5, 1);  // the cache has as many pages as the file
  run.ask(prompt_of(100, 4));
  Request running;
  running.prompt = prompt_of(70, 6);
  running.adapter_scales = {1};
  running.ignore_end = true;
  const RequestId id = *run.engine.submit(std::move(running));
  run.engine.step();
  const auto restored = run.engine.restore_kept("long");
  REQUIRE_FALSE(restored);
  CHECK(restored.error().message.find("503 tokens are more than") != std::string::npos);
  REQUIRE(run.engine.kept().paths().size() == 1);
  CHECK(run.engine.kept().paths()[0].table.length == 103);
  run.engine.cancel(id);
  CHECK(run.engine.restore_kept("long"));
  CHECK(run.ask(prompt_of(500, 3)) == 499);
  CHECK(run.warnings.empty());
}

TEST_CASE("A file of what is kept is restored without taking room from the rest") {
  ScratchFolder scratch;
  Started run(scratch.path("kept"), 1 << 20, 5, 1);
  run.ask(prompt_of(200, 3));
  REQUIRE(run.engine.save_kept(0, "talk"));
  run.ask(prompt_of(200, 4));
  REQUIRE(run.engine.cache().free_pages() == 0);
  REQUIRE(run.engine.restore_kept("talk"));
  const auto paths = run.engine.kept().paths();
  REQUIRE(paths.size() == 2);
  for (const auto& path : paths) CHECK(path.table.length == 203);
  // It is the latest now.
  CHECK(std::equal(paths[1].tokens.begin(), paths[1].tokens.begin() + 200,
                   prompt_of(200, 3).begin()));
}

TEST_CASE("What is too large or too short for a file keeps no other from having one") {
  ScratchFolder scratch;
  const std::string folder = scratch.path("kept");
  const int64_t one = cache::snapshot_bytes(model::FakeDecoder::kv_shape(), 103);
  {
    Started run(folder, one);
    run.ask(prompt_of(100, 3));
    run.ask(prompt_of(400, 4));
    run.ask(prompt_of(20, 5));
    run.engine.save_kept();
    REQUIRE(run.warnings.size() == 1);
    CHECK(run.warnings[0].find("1 of 3 kept texts") != std::string::npos);
  }
  CHECK(files_in(folder).size() == 1);
  Started run(folder, one);
  CHECK(run.ask(prompt_of(100, 3)) == 99);
}

TEST_CASE("Halves go where whoever wrote them is gone, and where nobody else may have named them") {
  ScratchFolder scratch;
  const std::string folder = scratch.path("kept");
  std::filesystem::create_directory(folder);
  const std::string of_another = fmt::format("{}/a.kept.part{}", folder, ::getppid());
  const std::string of_one_before = fmt::format("{}/b.kept.part{}", folder, own_process_id());
  const std::string of_nobody = folder + "/c.kept.part99999999", empty = folder + "/d.part99999999";
  const std::string odd = folder + "/my notes.part99999999";
  for (const auto& file : {of_another, of_one_before, of_nobody, odd})
    std::ofstream(file) << "issunkv1 half";
  std::ofstream(empty).flush();
  const Started run(folder);
  CHECK(files_in(folder) == std::vector<std::string>{of_another, odd});
  CHECK(run.warnings.size() == 1);  // of what is no half
}

TEST_CASE("A file whose rows are damaged counts until it goes, or is written again") {
  ScratchFolder scratch;
  const std::string folder = scratch.path("kept");
  const int64_t one = cache::snapshot_bytes(model::FakeDecoder::kv_shape(), 103);
  {
    Started run(folder);
    run.ask(prompt_of(100, 3));
    run.engine.save_kept();
  }
  const std::string damaged = files_in(folder).at(0);
  write_byte(damaged, one - 20);
  Started run(folder, 2 * one + 10);
  CHECK(run.ask(prompt_of(100, 3)) == 0);
  CHECK(run.warnings.size() == 1);
  run.engine.save_kept();
  CHECK(files_in(folder) == std::vector<std::string>{damaged});
  CHECK(Started(folder).ask(prompt_of(100, 3)) == 99);
  write_byte(damaged, one - 20);
  Started again(folder, 2 * one + 10);
  CHECK(again.ask(prompt_of(100, 3)) == 0);
  for (const int kind : {4, 5}) {
    again.ask(prompt_of(100, kind));
    REQUIRE(again.engine.save_kept(0, fmt::format("talk-{}", kind)));
  }
  CHECK(files_in(folder) == std::vector<std::string>{folder + "/talk-4", folder + "/talk-5"});
}

TEST_CASE("Files of another model and files that are none are left alone") {
  ScratchFolder scratch;
  const std::string folder = scratch.path("kept");
  {
    Started run(folder, 1 << 20, 5);
    run.ask(prompt_of(100, 3));
    run.engine.save_kept();
  }
  std::ofstream(folder + "/notes.txt") << "of a person";
  std::ofstream(folder + "/a.kept.part99999999") << "issunkv1 half";
  Started other(folder, 1 << 20, 6);
  CHECK(other.ask(prompt_of(100, 3)) == 0);
  CHECK(other.warnings.size() == 2);
  CHECK_FALSE(std::filesystem::exists(folder + "/a.kept.part99999999"));
  CHECK(std::filesystem::exists(folder + "/notes.txt"));
}

TEST_CASE("Files together are no larger than they may be: the oldest go") {
  ScratchFolder scratch;
  const std::string folder = scratch.path("kept");
  const int64_t one = cache::snapshot_bytes(model::FakeDecoder::kv_shape(), 103);
  Started run(folder, 2 * one + 10);
  for (const int kind : {3, 4, 5}) {
    run.ask(prompt_of(100, kind));
    const auto saved = run.engine.save_kept(0, fmt::format("talk-{}", kind));
    REQUIRE(saved);
    CHECK(saved->tokens == 103);
    CHECK(saved->bytes == one);
  }
  CHECK(files_in(folder) == std::vector<std::string>{folder + "/talk-4", folder + "/talk-5"});
  // What is kept and named already is not written again.
  run.engine.save_kept();
  CHECK(files_in(folder) == std::vector<std::string>{folder + "/talk-4", folder + "/talk-5"});
  run.ask(prompt_of(400, 6));
  CHECK(run.engine.save_kept(0, "large").error().message.find("more than the") !=
        std::string::npos);
}

TEST_CASE("A file is written and read by name, and no name leads out of the folder") {
  ScratchFolder scratch;
  const std::string folder = scratch.path("kept");
  Started run(folder);
  run.ask(prompt_of(100, 3));
  REQUIRE(run.engine.save_kept(0, "talk.bin"));
  REQUIRE(run.engine.forget_kept(0));
  CHECK(run.engine.cache().free_pages() == run.engine.cache().page_count());
  const auto restored = run.engine.restore_kept("talk.bin");
  REQUIRE(restored);
  CHECK(restored->tokens == 103);
  CHECK(run.ask(prompt_of(100, 3)) == 99);
  for (const char* name :
       {"", ".", "..", ".a", "a/b", "../a", "/tmp/a", "a\\b", "a b", "a.part1", "\xc3\xa4"}) {
    CAPTURE(name);
    CHECK_FALSE(is_plain_name(name));
    CHECK(run.engine.save_kept(0, name).error().message.starts_with("filename:"));
    CHECK(run.engine.restore_kept(name).error().message.starts_with("filename:"));
  }
  CHECK(run.engine.restore_kept("other").error().message == "other: no such snapshot");
  CHECK(run.engine.save_kept(7, "x").error().message.starts_with("slot 7:"));
  std::ofstream(folder + "/broken") << "issunkv1";
  CHECK(run.engine.restore_kept("broken").error().message == "broken: cut short");
}

TEST_CASE("Nothing but a snapshot is written over, and nothing outside of the folder") {
  ScratchFolder scratch;
  const std::string folder = scratch.path("kept");
  Started run(folder);
  run.ask(prompt_of(100, 3));
  const std::string outside = scratch.path("outside");
  for (const std::string& file : {folder + "/notes.txt", outside})
    std::ofstream(file) << "of a person";
  std::ofstream(folder + "/empty").flush();
  std::filesystem::create_symlink(outside, folder + "/link");
  std::filesystem::create_symlink(scratch.path("nothing"), folder + "/lost");
  std::filesystem::create_directory(folder + "/below");
  REQUIRE(::mkfifo((folder + "/pipe").c_str(), 0600) == 0);
  for (const char* name : {"notes.txt", "empty", "link", "lost", "below", "pipe"}) {
    CAPTURE(name);
    const auto saved = run.engine.save_kept(0, name);
    REQUIRE_FALSE(saved);
    CHECK(saved.error().message.starts_with("filename:"));
  }
  for (const std::string& file : {folder + "/notes.txt", outside})
    CHECK(*read_text(file) == "of a person");
  CHECK(std::filesystem::file_size(folder + "/empty") == 0);
  CHECK_FALSE(std::filesystem::exists(scratch.path("nothing")));
  // Its own files are not a client's to name.
  CHECK(run.engine.save_kept(0, "a.kept").error().message.find(".kept") != std::string::npos);
  REQUIRE(run.engine.save_kept(0, "talk"));
  CHECK(run.engine.save_kept(0, "talk"));
}

TEST_CASE("A disk that fails is told apart from a wrong request, without its paths") {
  ScratchFolder scratch;
  const std::string folder = scratch.path("kept");
  Started run(folder);
  run.ask(prompt_of(100, 3));
  std::filesystem::remove_all(folder);
  const auto saved = run.engine.save_kept(0, "talk");
  REQUIRE_FALSE(saved);
  CHECK(is_disk_failure(saved.error()));
  CHECK(saved.error().message.find("talk") != std::string::npos);
  CHECK(saved.error().message.find(folder) == std::string::npos);
  REQUIRE(run.warnings.size() == 1);
  CHECK(run.warnings[0].find(folder) != std::string::npos);
  CHECK_FALSE(is_disk_failure(run.engine.save_kept(0, "a b").error()));
  CHECK_FALSE(is_disk_failure(run.engine.restore_kept("other").error()));
}

TEST_CASE("Files of another model are not counted, and do not go to make room") {
  ScratchFolder scratch;
  const std::string folder = scratch.path("kept");
  const int64_t one = cache::snapshot_bytes(model::FakeDecoder::kv_shape(), 103);
  {
    Started other(folder, 1 << 20, 6);
    other.ask(prompt_of(100, 3));
    REQUIRE(other.engine.save_kept(0, "foreign"));
  }
  Started run(folder, 2 * one + 10);
  for (const int kind : {3, 4, 5}) {
    run.ask(prompt_of(100, kind));
    REQUIRE(run.engine.save_kept(0, fmt::format("talk-{}", kind)));
  }
  CHECK(files_in(folder) ==
        std::vector<std::string>{folder + "/foreign", folder + "/talk-4", folder + "/talk-5"});
}

TEST_CASE("A cache with states has no files, and says so") {
  const auto cache = *cache::PagedKv::create(model::FakeDecoder::recurrent_shape(), kContext);
  const auto shelf = SnapshotShelf::open({.folder = "/nowhere"}, cache);
  REQUIRE_FALSE(shelf);
  CHECK(shelf.error().message.find("recurrent") != std::string::npos);
}
