// Another program's benchmark beside our own: the same cases in turn, so that what else the machine
// does meets both.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "measure/bench.h"

namespace issun::measure {

// What both programs are asked for.
struct AgainstOptions {
  std::string command;  // of the other, for a shell: llama-bench, or another issun
  std::string model_path;
  std::vector<BenchCase> cases;
  int threads = 0;  // as many as our own uses
  std::string key_type = "F16", value_type = "F16";
  std::vector<std::string> more;  // arguments that only another issun understands
};

// Whether the command ends with a program called issun...
bool is_issun(std::string_view command);
// The command with all that is asked for behind it. Another issun gets the flags of `issun bench`,
// any other program those of llama-bench; both make one run that counts.
std::string full_command(const AgainstOptions& options);

// Tokens per second of one run of each case, in the order of the cases, from what the program
// printed: an array of tests (llama-bench -o json) or a line of JSON a case (issun bench --json).
// Error: a case that it does not tell of.
Result<std::vector<double>> read_rates(std::string_view output,
                                       const std::vector<BenchCase>& cases);

// Runs the other program. Error: it failed, with the last thing it said; Ctrl-C.
Result<std::vector<double>> run_other(const AgainstOptions& options);

// Of one case in each round.
struct Versus {
  BenchCase bench_case;
  std::vector<double> own, other;  // tokens per second, of as many rounds
  // Of the medians; and of the rounds, each against its own neighbour.
  double ratio() const;
  double least_ratio() const;
  double greatest_ratio() const;
};
std::string versus_table(const std::vector<Versus>& all);
nlohmann::ordered_json to_json(const Versus& versus);

}  // namespace issun::measure
