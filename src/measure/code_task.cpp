#include "measure/code_task.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "measure/json_lines.h"

namespace issun::measure {

namespace {

// Of what a program wrote: the end, where the error stands.
constexpr size_t kOutputKept = 2000;

std::string last_part(const std::string& output) {
  return output.size() <= kOutputKept ? output : output.substr(output.size() - kOutputKept);
}

Result<SandboxRun> run_python(const std::string& program, const std::string& python,
                              const SandboxLimits& limits) {
  const std::array<std::string, 4> command = {python, "-I", "-B", "-"};
  return run_in_sandbox(command, program, limits);
}

std::string outcome_of(const SandboxRun& run, bool passed) {
  if (run.end == SandboxRun::End::TimedOut) return "time was up";
  if (run.end == SandboxRun::End::Signalled) return fmt::format("killed by signal {}", run.status);
  return passed ? "passed" : "failed";
}

}  // namespace

Result<std::vector<Problem>> read_problems(std::string_view text, const std::string& path) {
  std::vector<Problem> problems;
  TRY(for_each_json_line(text, path, [&](const Json& object) -> Result<void> {
    problems.push_back({TRY(text_of(object, "task_id")), TRY(text_of(object, "prompt")),
                        TRY(text_of(object, "canonical_solution")), TRY(text_of(object, "test")),
                        TRY(text_of(object, "entry_point"))});
    return {};
  }));
  if (problems.empty()) return fail("{}: expected at least one problem, found none", path);
  return problems;
}

std::vector<std::string> code_stops() { return {"\nclass", "\ndef", "\n#", "\nif", "\nprint"}; }

Result<std::string> complete(const Problem& problem, const tokenizer::Tokenizer& tokenizer,
                             engine::Engine& engine, int most_tokens) {
  engine::Request request;
  request.prompt =
      TRY(tokenizer.encode(problem.prompt, {.add_special = false, .parse_special = false}));
  if (tokenizer.adds_bos()) request.prompt.insert(request.prompt.begin(), tokenizer.bos());
  request.max_tokens = most_tokens;
  request.sampling.temperature = 0;
  request.stop = code_stops();
  TRY(engine.submit(std::move(request)));
  std::string completion;
  while (!engine.idle()) {
    for (const engine::Event& event : engine.step()) {
      completion += event.text;
      if (!event.error.empty()) return fail("{}", event.error);
      if (event.finish == engine::Finish::BrokenLogits)
        return fail("expected numbers as logits, found others");
    }
  }
  return completion;
}

Result<CodeResult> judge(const Problem& problem, const std::string& completion,
                         const std::string& python, const SandboxLimits& limits) {
  // A line that nothing before it has a reason to write.
  const std::string end = "issun: the tests of " + problem.id + " have come to their end";
  const std::string program = problem.prompt + completion + "\n" + problem.test + "\ncheck(" +
                              problem.entry_point + ")\nprint(" + nlohmann::json(end).dump() +
                              ", flush=True)\n";
  const SandboxRun run = TRY(run_python(program, python, limits));
  CodeResult result;
  result.passed =
      run.end == SandboxRun::End::Exited && run.status == 0 && run.output.ends_with(end + "\n");
  result.outcome = outcome_of(run, result.passed);
  result.completion = completion;
  result.output = last_part(run.output);
  result.seconds = run.seconds;
  return result;
}

Result<void> expect_sandbox(const std::string& python, const SandboxLimits& limits) {
  const SandboxRun run = TRY(run_python("print(6 * 7)", python, limits));
  if (run.end == SandboxRun::End::Exited && run.output == "42\n") return {};
  return fail("sandbox: expected {} to answer 42, found '{}' ({})", python, last_part(run.output),
              outcome_of(run, false));
}

nlohmann::ordered_json to_json(const CodeResult& result) {
  return {{"passed", result.passed},
          {"outcome", result.outcome},
          {"completion", result.completion},
          {"output", result.output},
          {"seconds", result.seconds}};
}

Result<CodeResult> code_result(const Json& json) {
  return CodeResult{TRY(boolean_of(json, "passed")), TRY(text_of(json, "outcome")),
                    TRY(text_of(json, "completion")), TRY(text_of(json, "output")),
                    TRY(number_of(json, "seconds"))};
}

Share pass_at_1(const std::vector<CodeResult>& results) {
  return wilson(std::count_if(results.begin(), results.end(),
                              [](const CodeResult& result) { return result.passed; }),
                std::ssize(results));
}

}  // namespace issun::measure
