#include <charconv>
#include <numeric>

#include "apps/experts.h"
#include "base/file.h"
#include "base/quote.h"
#include "base/streams.h"
#include "experts/picture.h"
#include "experts/replay.h"
#include "experts/reuse.h"

namespace issun::apps {

namespace {

using experts::Contender;
using experts::ReplayOutcome;

struct ReplayFlags {
  std::string trace, division = "equal", count = "generate", picture;
  std::vector<std::string> policies = {"all"}, memory = {"12.5%", "25%", "50%", "75%"};
  int slots = 0;  // 0: by --memory
  bool per_layer = false, json = false;
};

// What a cache may have, and how it is divided.
struct Budget {
  std::string name;
  int64_t bytes = 0;
  std::vector<int> slots = {};  // of each layer
};

struct Row {
  Contender contender{};
  std::vector<ReplayOutcome> outcomes = {};  // of each budget
  std::vector<double> of_belady = {};        // hits as a share of the optimum's
};

struct Report {
  experts::Trace trace;
  experts::Visits visits;
  std::vector<uint8_t> counted;
  std::vector<Budget> budgets;
  std::vector<Row> rows;
};

struct Unit {
  const char* name;
  double bytes;
};
constexpr Unit kUnits[] = {{"B", 1},    {"kB", 1e3},      {"KB", 1e3},      {"MB", 1e6},
                           {"GB", 1e9}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}};

// 25%, 900MB, 1.5GiB.
Result<int64_t> parse_memory(const std::string& text, int64_t all_bytes) {
  double number = 0;
  const auto [next, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string unit(next, text.data() + text.size());
  if (error == std::errc() && number > 0) {
    if (unit == "%" && number <= 100)
      return static_cast<int64_t>(static_cast<double>(all_bytes) * number / 100);
    for (const Unit& known : kUnits) {
      if (unit == known.name && number * known.bytes < 1e18)
        return static_cast<int64_t>(number * known.bytes);
    }
  }
  return fail("--memory: expected a share as 25% or a size as 900MB or 1.5GiB, found '{}'",
              printable(text));
}

std::vector<int> divide(const ReplayFlags& flags, const Report& report, int64_t bytes) {
  const experts::TraceHeader& header = report.trace.header;
  std::vector<std::vector<double>> curves(header.layers.size());
  if (flags.division == "gain") curves = experts::gain_curves(report.visits, report.counted);
  const std::vector<int> least(header.layers.size());
  return experts::divide_slots({.curves = curves,
                                .layer_bytes = header.expert_bytes,
                                .budget_bytes = bytes,
                                .least = least,
                                .most = header.experts});
}

Result<std::vector<Budget>> budgets_of(const ReplayFlags& flags, const Report& report) {
  const experts::TraceHeader& header = report.trace.header;
  std::vector<Budget> budgets;
  if (flags.slots > 0) {
    Budget budget{.name = fmt::format("{} a layer", flags.slots)};
    for (size_t l = 0; l < header.layers.size(); ++l) {
      budget.slots.push_back(std::min(flags.slots, header.experts[l]));
      budget.bytes += budget.slots.back() * header.expert_bytes[l];
    }
    if (flags.division == "gain") budget.slots = divide(flags, report, budget.bytes);
    budgets.push_back(std::move(budget));
    return budgets;
  }
  for (const std::string& memory : flags.memory) {
    const int64_t bytes = TRY(parse_memory(memory, header.all_bytes()));
    budgets.push_back({.name = memory, .bytes = bytes, .slots = divide(flags, report, bytes)});
  }
  return budgets;
}

Result<std::vector<Contender>> contenders_of(const ReplayFlags& flags) {
  std::vector<Contender> contenders;
  for (const std::string& policy : flags.policies) {
    if (policy == "all") {
      for (int i = 0; i < experts::kContenders; ++i)
        contenders.push_back(static_cast<Contender>(i));
      continue;
    }
    const auto contender = experts::contender_from_name(policy);
    if (!contender)
      return fail("--policy: expected lru, lfu, lfru, s3fifo, static, belady or all, found '{}'",
                  printable(policy));
    contenders.push_back(*contender);
  }
  return contenders;
}

Result<Report> replay_all(const ReplayFlags& flags) {
  const std::vector<Contender> contenders = TRY(contenders_of(flags));
  Report report;
  report.trace = TRY(experts::Trace::read(flags.trace));
  report.visits = experts::Visits::of(report.trace);
  report.counted = flags.count == "all" ? count_all(report.trace) : count_generated(report.trace);
  if (std::count(report.counted.begin(), report.counted.end(), 1) == 0)
    return fail("{}: expected batches of {}, found none", flags.trace,
                flags.count == "all" ? "tokens" : "generated tokens (--count all counts prompts)");
  report.budgets = TRY(budgets_of(flags, report));
  const std::vector<uint8_t> later = experts::second_half(report.counted);
  for (const Contender contender : contenders) report.rows.push_back({.contender = contender});
  for (const Budget& budget : report.budgets) {
    const auto run = [&](Contender contender, const std::vector<uint8_t>& counted) {
      return experts::replay(report.visits, contender, {budget.slots, counted});
    };
    const int64_t best = run(Contender::Belady, report.counted).hits();
    for (Row& row : report.rows) {
      row.outcomes.push_back(run(row.contender, report.counted));
      // A choice that never changes is held against the optimum of the half in which it counts.
      const int64_t most =
          row.contender == Contender::Static ? run(Contender::Belady, later).hits() : best;
      row.of_belady.push_back(most == 0 ? 1
                                        : static_cast<double>(row.outcomes.back().hits()) /
                                              static_cast<double>(most));
    }
  }
  return report;
}

Json layers_json(const Report& report, size_t budget, const ReplayOutcome& outcome) {
  Json layers = Json::array();
  for (size_t l = 0; l < outcome.layers.size(); ++l)
    layers.push_back({{"layer", report.trace.header.layers[l]},
                      {"slots", report.budgets[budget].slots[l]},
                      {"hits", outcome.layers[l].hits},
                      {"misses", outcome.layers[l].misses}});
  return layers;
}

Json to_json(const ReplayFlags& flags, const Report& report) {
  Json json = {{"trace", flags.trace},
               {"model", report.trace.header.model},
               {"batches", report.visits.batches},
               {"counted", flags.count},
               {"division", flags.division},
               {"expert_bytes", report.trace.header.all_bytes()},
               {"runs", Json::array()},
               {"guesses", Json::array()}};
  for (size_t b = 0; b < report.budgets.size(); ++b) {
    for (const Row& row : report.rows) {
      const ReplayOutcome& outcome = row.outcomes[b];
      json["runs"].push_back({{"policy", name(row.contender)},
                              {"memory", report.budgets[b].name},
                              {"memory_bytes", report.budgets[b].bytes},
                              {"hits", outcome.hits()},
                              {"misses", outcome.misses()},
                              {"hit_ratio", outcome.hit_ratio()},
                              {"of_belady", row.of_belady[b]},
                              {"tokens", outcome.tokens},
                              {"bytes_per_token", outcome.bytes_per_token()},
                              {"layers", layers_json(report, b, outcome)}});
    }
  }
  for (const experts::GuessRecall& recall : recall_of_guesses(report.trace))
    json["guesses"].push_back({{"distance", recall.distance},
                               {"guesses", recall.guesses},
                               {"recall_1", recall.first},
                               {"recall_2", recall.first_two},
                               {"recall_used", recall.first_used}});
  return json;
}

void print_head(const ReplayFlags& flags, const Report& report) {
  const experts::TraceHeader& header = report.trace.header;
  int64_t tokens = 0;
  for (size_t b = 0; b < report.counted.size(); ++b)
    tokens += report.counted[b] != 0 ? report.visits.rows[b] : 0;
  write_out(fmt::format(
      "{}: {} mixture layers, {} experts of {:.1f} MB in all, {} used\n"
      "{} batches; {} {} count, memory divided {}\n\n",
      visible(header.model), header.mixture_layers(),
      std::accumulate(header.experts.begin(), header.experts.end(), int64_t{0}),
      static_cast<double>(header.all_bytes()) * 1e-6, header.used, report.visits.batches, tokens,
      flags.count == "all" ? "tokens" : "generated tokens",
      flags.division == "gain" ? "by gain" : "equally"));
}

// A line of names, then a line a policy.
template <class Cell>
void print_table(const Report& report, const char* title, Cell&& cell) {
  std::string text = fmt::format("{:<18}", title);
  for (const Budget& budget : report.budgets) text += fmt::format("{:>18}", budget.name);
  text += '\n';
  for (const Row& row : report.rows) {
    text += fmt::format("{:<18}", name(row.contender));
    for (size_t b = 0; b < report.budgets.size(); ++b) text += fmt::format("{:>18}", cell(row, b));
    text += '\n';
  }
  write_out(text + "\n");
}

void print_layers(const Report& report) {
  std::string text = fmt::format("{:<8}{:>8}", "layer", "slots");
  for (const Row& row : report.rows) text += fmt::format("{:>10}", name(row.contender));
  text += '\n';
  for (size_t l = 0; l < report.trace.header.layers.size(); ++l) {
    text += fmt::format("{:<8}{:>8}", report.trace.header.layers[l], report.budgets[0].slots[l]);
    for (const Row& row : report.rows)
      text += fmt::format("{:>8.1f} %", 100 * row.outcomes[0].layers[l].hit_ratio());
    text += '\n';
  }
  write_out(text + "\n");
}

void print_guesses(const Report& report) {
  const auto recalls = recall_of_guesses(report.trace);
  if (recalls.empty()) return;
  std::string text = fmt::format("{:<18}{:>12}{:>12}{:>12}\n", "guessed ahead by", "first 1",
                                 "first 2", fmt::format("first {}", report.trace.header.used));
  for (const experts::GuessRecall& recall : recalls)
    text += fmt::format("{:<18}{:>10.1f} %{:>10.1f} %{:>10.1f} %\n",
                        fmt::format("{} layers", recall.distance), 100 * recall.first,
                        100 * recall.first_two, 100 * recall.first_used);
  write_out(text);
}

void print(const ReplayFlags& flags, const Report& report) {
  print_head(flags, report);
  print_table(report, "hits, of Belady's", [](const Row& row, size_t b) {
    return fmt::format("{:.1f} % {:4.0f} %", 100 * row.outcomes[b].hit_ratio(),
                       100 * row.of_belady[b]);
  });
  print_table(report, "read for a token", [](const Row& row, size_t b) {
    return fmt::format("{:.3f} MB", row.outcomes[b].bytes_per_token() * 1e-6);
  });
  if (flags.per_layer) print_layers(report);
  print_guesses(report);
}

Result<int> replay(const ReplayFlags& flags) {
  if (!flags.picture.empty()) TRY(expect_another_file(flags.picture, flags.trace));
  const Report report = TRY(replay_all(flags));
  if (!flags.picture.empty()) {
    const Contender shown = report.rows.size() == 1 ? report.rows[0].contender : Contender::Lfru;
    TRY(write_atomically(flags.picture, experts::replay_picture(report.trace, report.visits, shown,
                                                                report.budgets[0].slots)));
  }
  if (flags.json)
    write_out(dump(to_json(flags, report)) + "\n");
  else
    print(flags, report);
  return kDone;
}

void check_together(const ReplayFlags& flags, bool memory_given) {
  if (flags.slots > 0 && memory_given)
    throw CLI::ValidationError("expected one of --slots and --memory");
  const bool one = flags.slots > 0 || flags.memory.size() == 1;
  if (!one && (flags.per_layer || !flags.picture.empty()))
    throw CLI::ValidationError(std::string(flags.per_layer ? "--per-layer" : "--picture") +
                               ": expected --slots, or one --memory, as --memory 25%");
}

}  // namespace

void add_experts_replay(CLI::App& experts, Action& action) {
  auto* command = experts.add_subcommand(
      "replay", "what caches would have done with a recorded trace of a model's routers");
  auto flags = std::make_shared<ReplayFlags>();
  command->add_option("trace", flags->trace, "a routing trace, lines of JSON")
      ->required()
      ->check(expect_text);
  command->add_option("--slots", flags->slots, "experts of each layer that memory holds")
      ->check(CLI::Range(1, 1 << 20));
  command
      ->add_option("--memory", flags->memory,
                   "memory for experts: shares of all of them as 25%, or sizes as 1.5GiB: a list")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->capture_default_str();
  command
      ->add_option("--policy", flags->policies,
                   "who goes: lru, lfu, lfru, s3fifo; static: never; belady: the optimum, which "
                   "knows the future; all: a list")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->capture_default_str();
  command
      ->add_option("--division", flags->division,
                   "of the memory between layers: equal, or gain: where the trace shows that a "
                   "slot of an LRU saves most")
      ->check(CLI::IsMember({"equal", "gain"}))
      ->capture_default_str();
  command
      ->add_option("--count", flags->count,
                   "which batches count: those of generated tokens, or all; all are replayed")
      ->check(CLI::IsMember({"generate", "all"}))
      ->capture_default_str();
  command->add_flag("--per-layer", flags->per_layer, "hits of each layer too, for one budget");
  command
      ->add_option(
          "--picture", flags->picture,
          "SVG to write, for one budget: use of each expert over time, and hits and misses "
          "under the policy, if one is given, else lfru")
      ->check(expect_text);
  command->add_flag("--json", flags->json, "report as JSON");
  command->callback([flags, command, &action] {
    check_together(*flags, command->get_option("--memory")->count() > 0);
    action = [flags] { return replay(*flags); };
  });
}

}  // namespace issun::apps
