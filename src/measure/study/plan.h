// The plan of a study: which weights, cache types, contexts and threads are crossed, and in which
// order the runs come. Everything follows from the options and the seed.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace issun::measure {

struct StudyModel {
  std::string path;  // empty: the model that comes with the program
  std::string name;  // as tables show it; differs from that of every other model
  std::string hash;  // of samples of the file, to notice another one
  int64_t bytes = 0;
  int64_t context_length = 0;  // trained with
};

// What is compared: a model with its cache types, or another program.
struct StudyArm {
  enum class Kind { Issun, LlamaBench };
  Kind kind = Kind::Issun;
  std::string name;
  int model = -1;                    // of Issun
  std::string key_type, value_type;  // of Issun
  std::string rotation;              // of Issun: whether rows of the cache are rotated
  std::string command;               // of others: a command line for the shell
  // Of others: whether the command has a place for them. Without one it runs once a repetition.
  bool takes_context = false, takes_threads = false;
};

// NAME=llama-bench:COMMAND. Error: another form, or a kind that there is not.
Result<StudyArm> parse_arm(const std::string& text);

constexpr const char* kUsualRotation = "auto";  // what the engine does unasked

struct StudyOptions {
  std::vector<std::string> key_types = {"f16"}, value_types = {"f16"};
  std::vector<std::string> rotations = {kUsualRotation};
  std::vector<int> contexts = {512};  // tokens
  std::vector<int> threads = {1};
  bool sweep_threads = false, sweep_contexts = false;
  int sweep_to_threads = 1;  // the most of the sweep
  std::vector<std::string> prompts;
  int repetitions = 5;
  uint64_t seed = 1;
  int generate = 32;       // tokens, fixed, for speed
  int answer_tokens = 96;  // at most, for text
  std::string text;        // for perplexity; empty: none is measured
  std::vector<StudyArm> others;
  std::optional<double> estimate_watts;
};

enum class StudyTask {
  Speed,    // a prompt that fills the context but for a fixed number of tokens to generate
  Quality,  // perplexity of the text in windows of the context
  Text,     // answers to the prompts, of free length
};
const char* name(StudyTask task);

struct StudyRun {
  StudyTask task = StudyTask::Speed;
  int arm = 0;
  int context = 0, threads = 0;  // 0: the arm settles it itself
  int repetition = 0;
};

struct StudyPlan {
  StudyOptions options;
  std::vector<StudyModel> models;
  std::vector<StudyArm> arms;
  std::vector<StudyRun> runs;         // in the order in which they are to be done
  std::vector<std::string> left_out;  // what was asked for and cannot be: a sentence each

  // "speed, NAME, context 512, 2 threads, run 3": differs for every run.
  std::string id(const StudyRun& run) const;
};

// Error: an empty list, a context too short for what is generated, cache types that the engine
// does not have, two arms of one name, or nothing left to do.
Result<StudyPlan> make_plan(StudyOptions options, std::vector<StudyModel> models);

// 1..8, then by fours to 32, then doubling; the last is `most`.
std::vector<int> thread_sweep(int most);
// 128 doubling to 16384, as far as `most`.
std::vector<int> context_sweep(int64_t most);

// What makes one study another: all options and models, `conditions` (machine and version), not
// the runs, which follow from them.
nlohmann::ordered_json to_json(const StudyPlan& plan, const nlohmann::ordered_json& conditions);

}  // namespace issun::measure
