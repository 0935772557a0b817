#include "measure/bench_against.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/process.h"
#include "base/quote.h"
#include "base/utf8.h"

namespace issun::measure {

namespace {

std::string for_shell(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

// The different values of the cases, as a list of a flag.
template <class Value>
std::string list_of(const std::vector<BenchCase>& cases, Phase phase, Value&& value) {
  std::vector<int> values;
  for (const BenchCase& bench_case : cases) {
    const int found = value(bench_case);
    if (bench_case.phase != phase) continue;
    if (std::find(values.begin(), values.end(), found) == values.end()) values.push_back(found);
  }
  return values.empty() ? "0" : fmt::format("{}", fmt::join(values, ","));
}

// A test that is one of the cases; -1: it is none.
int case_of(const std::vector<BenchCase>& cases, const BenchCase& test) {
  for (size_t i = 0; i < cases.size(); ++i) {
    if (name(cases[i]) == name(test)) return static_cast<int>(i);
  }
  return -1;
}

int number(const Json& value) { return value.is_integer() ? static_cast<int>(value.integer()) : 0; }

// What llama-bench, and issun, say of a test.
BenchCase test_of(const Json& test) {
  if (test.has("phase")) {
    const Phase phase = test["phase"].is("prompt") ? Phase::Prompt : Phase::Generation;
    return {phase, number(test["tokens"]), number(test["depth"]),
            std::max(1, number(test["sequences"]))};
  }
  const int prompt = number(test["n_prompt"]), depth = number(test["n_depth"]);
  if (prompt > 0) return {Phase::Prompt, prompt, depth};
  return {Phase::Generation, number(test["n_gen"]), depth};
}

double rate_of(const Json& test) {
  const Json& own = test["tokens_per_second"]["median"];
  const Json& rate = own.is_null() ? test["avg_ts"] : own;
  return rate.is_number() ? rate.number() : 0;
}

// The tests of a program's output, whichever of the two forms it has.
Result<std::vector<Json>> tests_of(std::string_view output) {
  const size_t begin = output.find_first_of("[{");
  if (begin == std::string_view::npos) return fail("expected tests as JSON, found none");
  output = output.substr(begin);
  if (output[0] == '[') return TRY(Json::parse(output)).items();
  std::vector<Json> tests;
  while (!output.empty()) {
    const size_t end = std::min(output.find('\n'), output.size());
    if (end > 0) tests.push_back(TRY(Json::parse(output.substr(0, end))));
    output.remove_prefix(std::min(end + 1, output.size()));
  }
  return tests;
}

}  // namespace

bool is_issun(std::string_view command) {
  while (command.ends_with(' ')) command.remove_suffix(1);
  command = command.substr(command.rfind(' ') + 1);
  return command.substr(command.rfind('/') + 1).starts_with("issun");
}

std::string full_command(const AgainstOptions& options) {
  const bool own = is_issun(options.command);
  const auto tokens = [](const BenchCase& c) { return c.tokens; };
  const auto depth = [](const BenchCase& c) { return c.depth; };
  const Phase either = options.cases.empty() ? Phase::Prompt : options.cases[0].phase;
  const std::string depths = list_of(options.cases, either, depth);
  std::string command =
      fmt::format("exec {}{} -m {} -p {} -n {} -t {} -r 1 {}", options.command, own ? " bench" : "",
                  for_shell(options.model_path), list_of(options.cases, Phase::Prompt, tokens),
                  list_of(options.cases, Phase::Generation, tokens), options.threads,
                  own ? "--json" : "-o json");
  if (depths != "0") command += " -d " + depths;
  const std::string sequences =
      list_of(options.cases, Phase::Generation, [](const BenchCase& c) { return c.sequences; });
  if (own && sequences != "0" && sequences != "1") command += " --sequences " + sequences;
  const auto add_type = [&](const char* flag, std::string_view type) {
    if (type != "F16") command += fmt::format(" {} {}", flag, lower_ascii(type));
  };
  add_type("-ctk", options.key_type);
  add_type("-ctv", options.value_type);
  for (const std::string& argument : options.more) command += " " + for_shell(argument);
  return command;
}

Result<std::vector<double>> read_rates(std::string_view output,
                                       const std::vector<BenchCase>& cases) {
  std::vector<double> rates(cases.size());
  for (const Json& test : TRY(tests_of(output))) {
    const int found = case_of(cases, test_of(test));
    if (found >= 0) rates[static_cast<size_t>(found)] = rate_of(test);
  }
  for (size_t i = 0; i < cases.size(); ++i) {
    if (!(rates[i] > 0)) return fail("expected a rate for {}, found none", name(cases[i]));
  }
  return rates;
}

Result<std::vector<double>> run_other(const AgainstOptions& options) {
  const ChildEnd end = TRY(run_child({.arguments = {"/bin/sh", "-c", full_command(options)}}));
  if (end.interrupted) return fail("interrupted");
  if (!end.succeeded()) {
    const std::string said = last_line(end.err);
    return fail("{}: {}{}{}", visible(options.command), end.describe(), said.empty() ? "" : ": ",
                said);
  }
  auto rates = read_rates(end.out, options.cases);
  if (!rates) return fail("{}: {}", visible(options.command), rates.error().message);
  return rates;
}

double Versus::ratio() const { return quantile(own, 0.5) / quantile(other, 0.5); }

namespace {

std::vector<double> ratios(const Versus& versus) {
  std::vector<double> all;
  for (size_t i = 0; i < versus.own.size(); ++i) all.push_back(versus.own[i] / versus.other[i]);
  return all;
}

}  // namespace

double Versus::least_ratio() const { return quantile(ratios(*this), 0); }
double Versus::greatest_ratio() const { return quantile(ratios(*this), 1); }

std::string versus_table(const std::vector<Versus>& all) {
  std::string table = fmt::format("{:<20} {:>12} {:>12} {:>8} {:>19}\n", "test", "issun t/s",
                                  "other t/s", "ratio", "of single rounds");
  for (const Versus& versus : all) {
    table +=
        fmt::format("{:<20} {:>12.2f} {:>12.2f} {:>8.2f} {:>10.2f} to {:>5.2f}\n",
                    name(versus.bench_case), quantile(versus.own, 0.5), quantile(versus.other, 0.5),
                    versus.ratio(), versus.least_ratio(), versus.greatest_ratio());
  }
  return table;
}

nlohmann::ordered_json to_json(const Versus& versus) {
  return {{"test", name(versus.bench_case)},         {"own_tokens_per_second", versus.own},
          {"other_tokens_per_second", versus.other}, {"ratio_of_medians", versus.ratio()},
          {"least_ratio", versus.least_ratio()},     {"greatest_ratio", versus.greatest_ratio()}};
}

}  // namespace issun::measure
