#include "measure/study/runner.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/quote.h"
#include "base/terminal.h"
#include "measure/json_text.h"
#include "measure/study/llama_bench.h"

namespace issun::measure {

namespace {

constexpr const char *kPrompts = "prompts.json", *kText = "text.txt";

// What `issun eval perplexity --json` or `issun eval kld --json` prints.
Result<StudyRecord> read_quality(const std::string& out) {
  const Json json = TRY(Json::parse(out));
  StudyRecord record;
  const auto take = [&](const Json& value, const char* metric) {
    if (value.is_number()) record.metrics[metric] = measured(value.number());
  };
  take(json["perplexity"], "perplexity");
  take(json["perplexity_standard_error"], "perplexity_error");
  take(json["bits_per_byte"], "bits_per_byte");
  take(json["tokens_scored"], "tokens_scored");
  take(json["kld_nats"], "kld");
  take(json["kld_standard_error"], "kld_error");
  take(json["kld_p99"], "kld_99");
  const Json& same = json["same_top"];
  take(same.is_object() ? same["share"] : same, "same_top");
  if (!record.metrics.contains("perplexity")) return fail("expected a number perplexity");
  return record;
}

double load_average() {
  std::ifstream file("/proc/loadavg");
  double average = 0;
  return file >> average ? average : -1;
}

// Gross energy less the idle power over `seconds`, both a unit; where the gross is missing, so is
// the net, for the same reason.
void add_net(Metrics& metrics, const char* gross, const char* net, double seconds_per_unit,
             const std::optional<double>& idle) {
  const auto found = metrics.find(gross);
  if (found == metrics.end()) return;
  if (!found->second.value) {
    metrics[net] = found->second;
  } else if (!idle) {
    metrics[net] = Measured::unavailable("the idle power was not measured");
  } else {
    metrics[net] = measured(*found->second.value - *idle * seconds_per_unit);
  }
}

Measured joules_or_why(const std::optional<double>& joules, const std::string& why) {
  return joules ? measured(*joules) : Measured::unavailable(why);
}

}  // namespace

void add_outside(const Outside& outside, std::optional<double> estimate_watts, int logical_cores,
                 Metrics& metrics) {
  metrics["wall_seconds"] = measured(outside.wall_seconds);
  metrics["user_seconds"] = measured(outside.use.user_seconds);
  metrics["system_seconds"] = measured(outside.use.system_seconds);
  metrics["voluntary_switches"] = measured(static_cast<double>(outside.use.voluntary_switches));
  metrics["involuntary_switches"] = measured(static_cast<double>(outside.use.involuntary_switches));
  metrics["minor_faults"] = measured(static_cast<double>(outside.use.minor_faults));
  metrics["major_faults"] = measured(static_cast<double>(outside.use.major_faults));
  metrics.emplace("peak_resident_bytes",
                  measured(static_cast<double>(outside.use.peak_resident_bytes)));
  metrics["energy_gross_joules"] = joules_or_why(outside.joules, outside.why_no_energy);
  metrics["idle_watts_before"] = joules_or_why(outside.idle_before, outside.why_no_energy);
  metrics["idle_watts_after"] = joules_or_why(outside.idle_after, outside.why_no_energy);
  std::optional<double> idle;
  if (outside.idle_before && outside.idle_after)
    idle = (*outside.idle_before + *outside.idle_after) / 2;
  const auto of = [&](const char* key) { return value_of(metrics, key).value_or(0); };
  add_net(metrics, "energy_gross_joules", "energy_net_joules", outside.wall_seconds, idle);
  add_net(metrics, "prompt_gross_joules_per_token", "prompt_net_joules_per_token",
          of("first_token_seconds") / std::max(1.0, of("prompt_tokens")), idle);
  add_net(metrics, "generation_gross_joules_per_token", "generation_net_joules_per_token",
          of("generation_seconds") / std::max(1.0, of("generated_tokens") - 1), idle);
  add_net(metrics, "answer_gross_joules", "answer_net_joules", of("answer_seconds"), idle);
  if (!estimate_watts || outside.wall_seconds <= 0) return;
  const double share =
      outside.use.cpu_seconds() / outside.wall_seconds / std::max(1, logical_cores);
  const EnergyEstimate estimate = estimate_energy(share, *estimate_watts, outside.wall_seconds);
  metrics["energy_estimate_joules"] = measured(estimate.joules);
  metrics["energy_estimate_watt_hours"] = measured(estimate.watt_hours);
}

Result<StudyRunner> StudyRunner::create(const StudyPlan& plan, const StudyFolder& folder,
                                        RunnerOptions options) {
  const std::string prompts = dump(nlohmann::ordered_json(plan.options.prompts), 1);
  TRY(write_atomically(folder.file(kPrompts), prompts + "\n"));
  if (!plan.options.text.empty()) TRY(write_atomically(folder.file(kText), plan.options.text));
  return StudyRunner(plan, folder, std::move(options));
}

std::vector<std::string> StudyRunner::command(const StudyRun& run, const std::string& base) const {
  const StudyArm& arm = plan_.arms[static_cast<size_t>(run.arm)];
  const StudyOptions& options = plan_.options;
  if (arm.kind == StudyArm::Kind::LlamaBench) {
    return {"/bin/sh", "-c",
            fmt::format("exec {} -o json",
                        fill_in(arm.command, run.context, run.threads, options.generate))};
  }
  std::vector<std::string> command = {options_.program};
  const auto add = [&](std::initializer_list<std::string> more) {
    command.insert(command.end(), more);
  };
  if (run.task == StudyTask::Quality) {
    add({"eval", base.empty() ? "perplexity" : "kld", "--json", "--text", folder_.file(kText)});
    if (!base.empty()) add({"--base", base});
  } else {
    add({"study", "cell", "--task", name(run.task), "--prompts", folder_.file(kPrompts),
         "--generate", std::to_string(options.generate), "--answer-tokens",
         std::to_string(options.answer_tokens)});
  }
  const StudyModel& model = plan_.models[static_cast<size_t>(arm.model)];
  if (!model.path.empty()) add({"--model", model.path});
  add({"--ctx-size", std::to_string(run.context), "--threads", std::to_string(run.threads),
       "--cache-type-k", arm.key_type, "--cache-type-v", arm.value_type});
  if (arm.rotation != kUsualRotation) add({"--cache-rotate", arm.rotation});
  return command;
}

Result<StudyRecord> StudyRunner::read(const StudyRun& run, const ChildEnd& end) const {
  if (!end.succeeded()) {
    const std::string said = last_line(end.err);
    return fail("{}{}{}", end.describe(), said.empty() ? "" : ": ", said);
  }
  const bool other = plan_.arms[static_cast<size_t>(run.arm)].kind == StudyArm::Kind::LlamaBench;
  if (other) return read_llama_bench(end.out);
  if (run.task == StudyTask::Quality) return read_quality(end.out);
  return record_from_json(TRY(Json::parse(end.out)));
}

std::optional<double> StudyRunner::idle_watts() {
  if (!meter_.available()) return std::nullopt;
  const auto before = meter_.joules();
  const double began = seconds_now();
  wait_seconds(options_.idle_seconds);
  const double seconds = seconds_now() - began;
  const auto after = meter_.joules();
  if (!before || !after || seconds <= 0) return std::nullopt;
  return (*after - *before) / seconds;
}

Result<std::optional<StudyRecord>> StudyRunner::run(const StudyRun& run) {
  Outside outside;
  outside.why_no_energy =
      meter_.available() ? "the energy counter could not be read" : meter_.why();
  outside.idle_before = idle_watts();
  const double load = load_average();
  const auto before = meter_.joules();
  double sampled = seconds_now();
  ChildOptions child{.arguments = command(run, plan_.options.base),
                     .timeout_seconds = options_.timeout_seconds,
                     .on_output = {},
                     .while_waiting = [&] {  // a counter must not wrap twice unseen
                       if (!meter_.available() || seconds_now() - sampled < 60) return;
                       sampled = seconds_now();
                       (void)meter_.joules();
                     }};
  ChildEnd end = TRY(run_child(child));
  std::string why_no_divergence;
  if (run.task == StudyTask::Quality && !plan_.options.base.empty() && !end.succeeded() &&
      !end.interrupted && !end.timed_out) {
    // Another vocabulary than the base's, mostly: perplexity is still to be had. The energy of both
    // runs is counted, so their times are, too.
    why_no_divergence = last_line(end.err);
    if (why_no_divergence.empty()) why_no_divergence = "eval kld ended without a word";
    child.arguments = command(run, "");
    const double first_seconds = end.wall_seconds;
    end = TRY(run_child(child));
    end.wall_seconds += first_seconds;
  }
  const auto after = meter_.joules();
  if (end.interrupted || Interrupts::pending()) return std::nullopt;
  outside.idle_after = idle_watts();
  if (Interrupts::pending()) return std::nullopt;
  if (meter_.available() && before && after) outside.joules = *after - *before;
  outside.wall_seconds = end.wall_seconds;
  outside.use = end.use;
  Result<StudyRecord> record = read(run, end);
  if (!record) {
    StudyRecord failed;
    failed.failed = record.error().message;
    record = failed;
  }
  if (record->failed.empty() && !why_no_divergence.empty())
    record->metrics["kld"] = Measured::unavailable(why_no_divergence);
  record->metrics["load_average"] =
      load < 0 ? Measured::unavailable("/proc/loadavg cannot be read") : measured(load);
  record->id = plan_.id(run);
  record->order = static_cast<int>(folder_.records().size()) + 1;
  add_outside(outside, plan_.options.estimate_watts, cpu_facts().logical_cores, record->metrics);
  return std::move(*record);
}

}  // namespace issun::measure
