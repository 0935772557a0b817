#include "train/checkpoint.h"

#include <doctest/doctest.h>

#include <cmath>

#include "base/folder.h"
#include "little_disk.h"
#include "scratch_folder.h"
#include "train/training_state.h"

using namespace issun;
using namespace issun::train;

namespace {

std::vector<float> weights(int64_t step) {
  std::vector<float> values(300);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(step) + 0.5f;
  return values;
}

Result<void> save(const std::string& folder, int64_t step) {
  const std::vector<float> values = weights(step);
  const std::vector<Section> sections = {{"blk.0.weight", std::as_bytes(std::span(values))},
                                         {"empty", {}},
                                         {"adam.m", std::as_bytes(std::span(values).first(7))}};
  TrainingState state;
  state.step = step;
  state.data = {3, 14};
  state.seed = UINT64_MAX;
  state.best_loss = 2.5;
  state.config = "{\"rate\": 0.1}\n";
  return save_checkpoint(folder, state, sections);
}

Result<Checkpoint> newest(const std::string& folder, std::vector<std::string>* notes) {
  auto found = newest_checkpoint(folder, notes);
  if (!found) return fail("{}", found.error().message);
  REQUIRE(found->has_value());
  return std::move(**found);
}

void flip(const std::string& path, size_t at) {
  std::string bytes = *read_text(path);
  bytes[at] = static_cast<char>(bytes[at] ^ 1);
  REQUIRE(write_atomically(path, bytes));
}

}  // namespace

TEST_CASE("What is saved comes back bit by bit") {
  const ScratchFolder scratch;
  std::vector<std::string> notes;
  CHECK_FALSE(newest_checkpoint(scratch.path("run"), &notes)->has_value());
  REQUIRE(save(scratch.path("run"), 20));
  const auto found = newest(scratch.path("run"), &notes);
  REQUIRE_MESSAGE(found, found.error().message);
  CHECK(notes.empty());
  CHECK(found->state().step == 20);
  CHECK(found->state().data == DataState{3, 14});
  CHECK(found->state().seed == UINT64_MAX);
  CHECK(found->state().best_loss == 2.5);
  CHECK(found->state().config == "{\"rate\": 0.1}\n");
  std::vector<float> values(300);
  REQUIRE(found->read("blk.0.weight", std::as_writable_bytes(std::span(values))));
  CHECK(values == weights(20));
  REQUIRE(found->section("empty", 0));
  REQUIRE(found->sections().size() == 3);
  for (const Section& section : found->sections()) {
    CHECK(reinterpret_cast<uintptr_t>(section.bytes.data()) % 64 == 0);
  }
  CHECK(found->section("adam.m", 8).error().message ==
        scratch.path("run/checkpoint-20.issun") + ": adam.m: expected 8 bytes, found 28");
  CHECK(found->section("adam.v", 8).error().message ==
        scratch.path("run/checkpoint-20.issun") +
            ": adam.v: expected 8 bytes, found no such section");
}

TEST_CASE("The last two generations are kept, in the order of their steps") {
  const ScratchFolder scratch;
  REQUIRE(write_atomically(scratch.path("notes.txt"), "mine"));
  // What a training that was killed left behind.
  REQUIRE(write_atomically(scratch.path("checkpoint-9.issun.part123"), "half"));
  for (const int64_t step : {2, 9, 10, 100}) REQUIRE(save(scratch.path(""), step));
  REQUIRE(remove_halves(scratch.path("")));
  const std::vector<std::string> kept = {"checkpoint-100.issun", "checkpoint-10.issun"};
  CHECK(*list_checkpoints(scratch.path("")) == kept);
  CHECK(scratch.count() == 3);
}

TEST_CASE("Where the newest is damaged the one before is taken, and that is said") {
  const ScratchFolder scratch;
  const std::string folder = scratch.path("run"), file = folder + "/checkpoint-2.issun";
  REQUIRE(save(folder, 1));
  REQUIRE(save(folder, 2));
  const size_t size = read_text(file)->size();
  for (const size_t at : {size_t{0}, size_t{8}, size_t{20}, size_t{40}, size_t{200}, size - 64}) {
    flip(file, at);
    std::vector<std::string> notes;
    const auto found = newest(folder, &notes);
    REQUIRE_MESSAGE(found, found.error().message);
    CHECK(found->state().step == 1);
    REQUIRE(notes.size() == 1);
    CHECK(notes[0].starts_with(file + ": "));
    flip(file, at);
  }
  std::vector<std::string> notes;
  CHECK(newest(folder, &notes)->state().step == 2);
  flip(file, 40);
  flip(folder + "/checkpoint-1.issun", 40);
  CHECK(newest(folder, &notes).error().message.find("found 2 that are damaged") !=
        std::string::npos);
}

TEST_CASE("A checkpoint that was cut short anywhere is never taken for a whole one") {
  const ScratchFolder scratch;
  REQUIRE(save(scratch.path(""), 1));
  const std::string bytes = *read_text(scratch.path("checkpoint-1.issun"));
  // Behind the last section there is padding alone.
  const size_t end = bytes.size() - 36;
  for (size_t length = 0; length <= bytes.size(); ++length) {
    const std::string cut = bytes.substr(0, length);
    const auto parsed = Checkpoint::parse(std::as_bytes(std::span(cut)), "cut");
    CHECK_MESSAGE(parsed.has_value() == (length >= end), "length ", length);
  }
}

TEST_CASE("A disk that is full is an error, and older checkpoints stay as they are") {
  const ScratchFolder scratch;
  const std::string folder = scratch.path("run");
  REQUIRE(save(folder, 1));
  REQUIRE(save(folder, 2));
  for (const rlim_t room : {rlim_t{0}, rlim_t{100}, rlim_t{1000}}) {
    const LittleDisk disk(room);
    const auto saved = save(folder, 3);
    REQUIRE_FALSE(saved);
    CHECK(saved.error().message.find("checkpoint-3.issun") != std::string::npos);
    CHECK(saved.error().message.find("cannot write: File too large") != std::string::npos);
  }
  const std::vector<std::string> kept = {"checkpoint-1.issun", "checkpoint-2.issun"};
  CHECK(*list_folder(folder) == kept);
  std::vector<std::string> notes;
  CHECK(newest(folder, &notes)->state().step == 2);
  REQUIRE(write_atomically(scratch.path("file"), ""));
  CHECK_FALSE(save(scratch.path("file"), 3));
}

TEST_CASE("A state keeps every number it can have, and says what is missing") {
  TrainingState state;
  state.step = INT64_MAX;
  state.seconds = 0.1;
  state.best_loss = 1e-300;
  CHECK(training_state_from_json(to_json(state))->best_loss == 1e-300);
  CHECK(training_state_from_json(to_json(state))->step == INT64_MAX);
  CHECK(training_state_from_json(to_json(state))->seconds == 0.1);
  state.best_loss = std::nan("");
  CHECK_FALSE(training_state_from_json(to_json(state))->best_loss.has_value());
  CHECK(training_state_from_json("{\"step\": -1}").error().message ==
        "\"step\": expected a whole number that is not negative");
}
