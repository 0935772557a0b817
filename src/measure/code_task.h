// HumanEval (Chen et al. 2021): functions that a model completes, judged by running their tests in
// the sandbox.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/sandbox.h"
#include "engine/engine.h"
#include "measure/statistics.h"

namespace issun::measure {

struct Problem {
  std::string id, prompt, solution, test, entry_point;
};
// Of JSON lines with task_id, prompt, canonical_solution, test and entry_point.
Result<std::vector<Problem>> read_problems(std::string_view text, const std::string& path);

// What a completion ends at, as the paper has it: the next statement outside the function.
std::vector<std::string> code_stops();

// The likeliest token after each other, up to a stop, an end or `most_tokens`. The prompt is
// tokenised as a text that goes on. Error: as Engine::submit, or logits that are no numbers.
Result<std::string> complete(const Problem& problem, const tokenizer::Tokenizer& tokenizer,
                             engine::Engine& engine, int most_tokens);

struct CodeResult {
  bool passed = false;
  std::string outcome;  // "passed", "failed", "killed by signal 9", "time was up"
  std::string completion, output;
  double seconds = 0;
};
// Passed: prompt, completion, test and a call of check(entry_point) run to the end, which writes
// what only then is written; an early exit passes nothing. python: its path in the sandbox. Error:
// no sandbox.
Result<CodeResult> judge(const Problem& problem, const std::string& completion,
                         const std::string& python, const SandboxLimits& limits);
// That the sandbox works here, before a model writes anything.
Result<void> expect_sandbox(const std::string& python, const SandboxLimits& limits);

nlohmann::ordered_json to_json(const CodeResult& result);
Result<CodeResult> code_result(const Json& json);

// pass@1 of one greedy completion a problem: the share that passed.
Share pass_at_1(const std::vector<CodeResult>& results);

}  // namespace issun::measure
