#include <algorithm>

#include "apps/experts.h"
#include "apps/experts_text.h"
#include "apps/json.h"
#include "base/direct_file.h"
#include "base/quote.h"
#include "base/streams.h"
#include "measure/bench.h"
#include "measure/divergence.h"
#include "measure/forced_reading.h"

namespace issun::apps {

namespace {

struct ReportFlags {
  ModelFlags model;
  ForcedText text;
  std::vector<std::string> arms;
  bool warm = false, json = false;
};

// A way to hold the weights.
struct Arm {
  const char* name;
  const char* what;
  bool mapped = false, keep = true, guess = true;
  model::Missing missing = model::Missing::Exact;
};
constexpr Arm kArms[] = {
    {"full", "cache and reading ahead"},
    {"no-prefetch", "cache alone", false, true, false},
    {"no-cache", "reading ahead alone", false, false, true},
    {"neither", "every expert is read for every token", false, false, false},
    {"mapped", "the file mapped, left to the system", true},
    {"twin", "for what is missing, a smaller file's experts", false, true, true,
     model::Missing::Twin},
    {"bias", "experts in memory are chosen more readily", false, true, true, model::Missing::Bias},
    {"skip", "what is missing and counts little is left out", false, true, true,
     model::Missing::Skip}};

const Arm* arm_from_name(const std::string& name) {
  const auto it = std::find_if(std::begin(kArms), std::end(kArms),
                               [&](const Arm& arm) { return name == arm.name; });
  return it == std::end(kArms) ? nullptr : it;
}

struct Outcome {
  const Arm* arm;
  measure::ForcedReading reading;
  double divergence = 0;  // mean, from the first arm's logits
  bool streams = false;
};

// The logits of the first arm, which the others are compared with.
struct Reference {
  std::vector<std::vector<float>> rows;
};

Result<Outcome> run_arm(const Arm& arm, const ReportFlags& flags, Reference& reference) {
  auto opened = TRY(flags.model.open_model());
  const auto tokens = TRY(flags.text.read(opened->tokenizer));
  std::vector<std::string> paths;
  for (const MappedFile& part : opened->file.parts()) paths.push_back(part.path());
  engine::RuntimeOptions options = TRY(flags.model.runtime_options());
  options.context = std::max<int64_t>(options.context, static_cast<int64_t>(tokens.size()));
  options.must_stream.clear();
  if (arm.mapped) options.memory_bytes = engine::RuntimeOptions::kMapped;
  options.residency.keep = arm.keep;
  if (!arm.guess || arm.missing == model::Missing::Twin) options.residency.guesses = 0;
  options.residency.missing = arm.missing;
  if (arm.missing != model::Missing::Twin) options.twin = nullptr;
  // The same batches everywhere, so that the bits are the same; and weights that come and go do so
  // from the first token.
  options.rows_chosen = options.stream_at_once = true;
  if (!flags.warm) {
    for (const std::string& path : paths) TRY(forget_cached(path));
  }
  const auto runtime = TRY(engine::Runtime::start(std::move(opened), options));
  if (!arm.mapped && runtime->residency() == nullptr) {
    return fail(
        "--memory: all weights of this model have room: expected less memory, in which "
        "they come and go");
  }
  const bool first = reference.rows.empty();
  Outcome outcome{&arm, {}, 0, runtime->residency() != nullptr};
  size_t seen = 0;
  outcome.reading = TRY(
      measure::read_forced(*runtime, tokens, flags.text.prompt, [&](std::span<const float> logits) {
        if (first) {
          reference.rows.emplace_back(logits.begin(), logits.end());
        } else {
          outcome.divergence += measure::compare(reference.rows[seen], logits, 0).divergence;
        }
        ++seen;
      }));
  outcome.divergence /= static_cast<double>(std::max<size_t>(1, seen));
  return outcome;
}

// Figures of the tokens read one by one that come from the disk.
struct DiskFigures {
  double found = 0, expected = 0, late = 0;  // shares of the uses
  double bytes_per_token = 0, waited = 0;    // waited: share of the time
  double wait_rate = 0;                      // bytes a second while waiting
};
DiskFigures disk_figures(const measure::ForcedReading& reading) {
  DiskFigures f;
  if (!reading.generation || reading.token_seconds.empty()) return f;
  const experts::GroupStatistics all = reading.generation->all();
  f.found = share(all.found, all.uses);
  f.expected = share(all.expected, all.uses);
  f.late = share(all.late, all.uses);
  f.bytes_per_token = static_cast<double>(reading.generation->reader.bytes) /
                      static_cast<double>(reading.token_seconds.size());
  double seconds = 0;
  for (const double token : reading.token_seconds) seconds += token;
  f.waited = reading.generation->waited_seconds / seconds;
  if (reading.generation->waited_seconds > 0) {
    f.wait_rate = static_cast<double>(reading.generation->bytes_while_waiting) /
                  reading.generation->waited_seconds;
  }
  return f;
}

double milliseconds(const measure::ForcedReading& reading, double quantile) {
  if (reading.token_seconds.empty()) return 0;
  return 1e3 * measure::quantile(reading.token_seconds, quantile);
}

std::string row(const Outcome& outcome, uint64_t first_hash) {
  const measure::ForcedReading& reading = outcome.reading;
  const DiskFigures f = disk_figures(reading);
  const std::string same =
      reading.hash == first_hash ? "same bits" : fmt::format("KLD {:.5f}", outcome.divergence);
  std::string disk = "-";
  if (outcome.streams) {
    disk = fmt::format("{:5.1f} {:5.1f} {:5.1f}  {:8.1f}  {:5.1f}  {:5.2f}", 100 * f.found,
                       100 * f.expected, 100 * (1 - f.found - f.expected), f.bytes_per_token * 1e-6,
                       100 * f.waited, f.wait_rate * 1e-9);
  }
  return fmt::format("{:<12} {:>8.2f} {:>8.2f} {:>8.1f} {:>8.1f}  {:<12}  {}\n", outcome.arm->name,
                     reading.prompt_rate(), reading.generation_rate(), milliseconds(reading, 0.5),
                     milliseconds(reading, 0.95), same, disk);
}

Json to_json(const Outcome& outcome, uint64_t first_hash) {
  const measure::ForcedReading& reading = outcome.reading;
  Json json = {{"arm", outcome.arm->name},
               {"prompt_tokens", reading.prompt_tokens},
               {"prompt_tokens_per_second", reading.prompt_rate()},
               {"tokens", reading.token_seconds.size()},
               {"tokens_per_second", reading.generation_rate()},
               {"token_ms_p50", milliseconds(reading, 0.5)},
               {"token_ms_p95", milliseconds(reading, 0.95)},
               {"logits_hash", fmt::format("{:016x}", reading.hash)},
               {"same_bits", reading.hash == first_hash},
               {"mean_divergence", outcome.divergence}};
  if (!outcome.streams) return json;
  const DiskFigures f = disk_figures(reading);
  json["found"] = f.found;
  json["expected"] = f.expected;
  json["late"] = f.late;
  json["missed"] = 1 - f.found - f.expected;
  json["bytes_per_token"] = f.bytes_per_token;
  json["waited"] = f.waited;
  json["bytes_per_second_while_waiting"] = f.wait_rate;
  Json layers = Json::array();
  for (const experts::GroupStatistics& group : reading.generation->groups) {
    layers.push_back({{"uses", group.uses}, {"found", group.found}, {"expected", group.expected}});
  }
  json["layers"] = layers;
  return json;
}

Result<int> report(ReportFlags flags) {
  for (const std::string& name : flags.arms)
    flags.model.memory.also.push_back(arm_from_name(name)->missing);
  std::vector<Outcome> outcomes;
  Reference reference;
  if (flags.model.memory.missing != "exact")
    return fail("--expert-missing: here --arms says what is done about missing experts");
  for (const std::string& name : flags.arms) {
    show_progress(fmt::format("{}: {} ...", name, arm_from_name(name)->what));
    outcomes.push_back(TRY(run_arm(*arm_from_name(name), flags, reference)));
  }
  hide_progress();
  const uint64_t first = outcomes[0].reading.hash;
  if (flags.json) {
    for (const Outcome& outcome : outcomes) write_out(dump(to_json(outcome, first)) + "\n");
    return kDone;
  }
  write_out(fmt::format(
      "{}: {} tokens of prompt, {} one by one, {} page cache\n\n"
      "                 tokens/s         token ms                      of the experts used, %   MB "
      "a"
      "   waited  GB/s\n"
      "               prompt  one by   median      95 %  logits         found guess missed    token"
      "      %  then\n",
      visible(flags.model.model_name()), flags.text.prompt, flags.text.tokens,
      flags.warm ? "warm" : "cold"));
  for (const Outcome& outcome : outcomes) write_out(row(outcome, first));
  return kDone;
}

std::string check_arm(const std::string& name) {
  if (arm_from_name(name) != nullptr) return "";
  std::string names;
  for (const Arm& arm : kArms) names += (names.empty() ? "" : ", ") + std::string(arm.name);
  return fmt::format("expected some of {}, found '{}'", names, name);
}

}  // namespace

void add_experts_report(CLI::App& experts, Action& action) {
  auto* command = experts.add_subcommand(
      "report",
      "what the cache of experts and reading ahead are worth: the same text with and "
      "without");
  auto flags = std::make_shared<ReportFlags>();
  flags->arms = {"full", "no-prefetch", "no-cache", "neither", "mapped"};
  flags->model.add(*command, true);
  flags->text.add(*command);
  std::string arms = "ways to hold the weights, compared with the first:";
  for (const Arm& arm : kArms) arms += fmt::format(" {} ({});", arm.name, arm.what);
  command->add_option("--arms", flags->arms, arms)->delimiter(',')->check(check_arm);
  command->add_flag("--warm", flags->warm,
                    "do not make the page cache forget the file before each");
  command->add_flag("--json", flags->json, "a line of JSON each");
  command->callback([flags, &action] { action = [flags] { return report(*flags); }; });
}

}  // namespace issun::apps
