#include "apps/training_report.h"

#include "apps/console.h"
#include "base/clock.h"
#include "base/quote.h"
#include "base/streams.h"
#include "base/terminal.h"
#include "measure/machine.h"

namespace issun::apps {

namespace {

constexpr double kQuietSeconds = 10;  // between lines where stderr is no terminal

std::string megabytes(int64_t bytes) {
  return fmt::format("{:.0f} MB", static_cast<double>(bytes) * 1e-6);
}

std::string millions(int64_t count) {
  const double number = static_cast<double>(count);
  return number < 1e6 ? fmt::format("{:.0f}k", number * 1e-3)
                      : fmt::format("{:.2f}M", number * 1e-6);
}

void show_line(const std::string& line) {
  if (stderr_is_terminal()) {
    show_progress(line);
  } else {
    say(line);
  }
}

}  // namespace

void TrainingFlags::add(CLI::App& command, std::string& folder, bool& restart, int64_t& until) {
  command.add_option("--out", folder, "folder for checkpoints, curve and the result")
      ->required()
      ->check(expect_text);
  command.add_flag("--restart", restart, "forget what the folder has of an earlier run");
  command.add_option("--until", until, "stop at this step, with a checkpoint")
      ->check(CLI::Range(int64_t{1}, INT64_MAX));
  command.add_option("-t,--threads", threads, "threads; 0 or -1: one for each core")
      ->check(CLI::Range(-1, 1024));
  command.add_flag("--json", json, "report as JSON");
}

Result<std::unique_ptr<Workers>> TrainingFlags::workers() const {
  return Workers::create(threads > 0 ? threads : default_thread_count());
}

TrainingReport::TrainingReport(Workers& workers, const kernels::KernelTable& kernels)
    : workers_(workers),
      kernels_(kernels),
      progress_(stderr_is_terminal(), kQuietSeconds, show_line) {}

train::SessionReports TrainingReport::reports() {
  train::SessionReports reports;
  reports.run.progress = [this](const train::RunProgress& p) { tell_progress(p); };
  reports.run.note = [](const std::string& sentence) { say(sentence); };
  reports.waiting = [](const std::string& what) { show_progress(what); };
  reports.reading = [](int64_t documents, int64_t tokens) {
    show_progress(fmt::format("{} documents, {} tokens", documents, tokens));
  };
  reports.plan = [this](const train::SessionPlan& plan) { tell_plan(plan); };
  return reports;
}

void TrainingReport::tell_plan(const train::SessionPlan& plan) {
  plan_ = plan;
  // Measured now that a run is about to begin, so that its speed can be told as a share of it.
  const auto peaks = measure::machine_peaks(workers_, kernels_, measure::Effort::Quick);
  if (peaks) peak_operations_ = peaks->f32_operations_per_second;
  const bool bf16 = plan.precision == kernels::GemmPrecision::BF16;
  const bool pairs = plan.pairs != 0;
  say(fmt::format("{} parameters; {} to learn from, {} to check with", millions(plan.parameters),
                  pairs ? fmt::format("{} pairs ({} tokens)", plan.pairs, millions(plan.tokens))
                        : fmt::format("{} tokens", millions(plan.tokens)),
                  pairs ? std::to_string(plan.valid_pairs) : millions(plan.valid_tokens)));
  const int64_t step = pairs ? plan.step_pairs : plan.step_tokens;
  say(fmt::format("{} steps of {} {} ({:.1f} times over the data), {} threads, {}, products in {}",
                  plan.steps, step, pairs ? "pairs" : "tokens",
                  static_cast<double>(plan.steps) * static_cast<double>(step) /
                      static_cast<double>(std::max<int64_t>(1, pairs ? plan.pairs : plan.tokens)),
                  workers_.count(), kernels_.name, bf16 ? "bf16" : "f32"));
  say(fmt::format("memory: {} for parameters, gradients and moments, {} for activations{}; {} free",
                  megabytes(plan.parameter_bytes), megabytes(plan.network_bytes),
                  plan.recompute ? " (layers are run again)" : "",
                  plan.available_bytes < 0 ? "nobody knows what is"
                                           : megabytes(plan.available_bytes) + " are"));
}

void TrainingReport::tell_progress(const train::RunProgress& p) {
  const double now = seconds_now();
  if (p.valid_loss) {
    hide_progress();
    say(fmt::format("step {}: loss {:.4f}, on the held-out part {:.4f}{}", p.step, p.loss,
                    *p.valid_loss, hits_of(p.valid_hits)));
  }
  train::ProgressFacts facts;
  facts.step = p.step;
  facts.steps = p.steps;
  facts.loss = p.loss;
  facts.tokens_per_second = p.tokens_per_second;
  if (peak_operations_ > 0) facts.peak_share = p.floating_operations_per_second / peak_operations_;
  facts.seconds_left = left_.after(p.step, p.steps, now);
  progress_.update(facts, now);
}

std::string TrainingReport::hits_of(const std::optional<double>& share) const {
  if (plan_.pairs == 0 || !share) return "";
  return fmt::format(", where {:.1f} % of the queries found their text", 100 * *share);
}

Json TrainingReport::figures(const train::RunResult& run) const {
  const auto number = [](const std::optional<double>& value) {
    return value ? Json(*value) : Json();
  };
  Json json{{"finished", run.finished},
            {"steps", run.steps},
            {"tokens", run.tokens},
            {"train_loss", run.train_loss},
            {"valid_loss", number(run.valid_loss)},
            {"best_valid_loss", number(run.best_loss)},
            {"seconds", run.seconds},
            {"tokens_per_second_median", run.tokens_per_second},
            {"skipped_steps", run.skipped_steps},
            {"spikes", run.spikes},
            {"parameters", plan_.parameters},
            {"parameter_bytes", plan_.parameter_bytes},
            {"activation_bytes", plan_.network_bytes},
            {"recompute", plan_.recompute},
            {"threads", workers_.count()},
            {"isa", kernels_.name},
            {"peak_rss_bytes", peak_memory_bytes()}};
  if (plan_.pairs != 0) {
    json["pairs"] = plan_.pairs;
    json["valid_pairs"] = plan_.valid_pairs;
    json["valid_hit_rate"] = number(run.valid_hits);
  }
  if (peak_operations_ > 0) {
    json["peak_share"] = run.tokens_per_second * plan_.token_operations / peak_operations_;
  }
  return json;
}

std::string TrainingReport::summary(const train::RunResult& run) const {
  std::string text = fmt::format("{} after {} steps, {} tokens, {} of training: loss {:.4f}",
                                 run.finished ? "done" : "stopped", run.steps, millions(run.tokens),
                                 train::duration(run.seconds), run.train_loss);
  if (run.valid_loss) {
    text +=
        fmt::format(", on the held-out part {:.4f}{}", *run.valid_loss, hits_of(run.valid_hits));
  }
  text += fmt::format("; {:.0f} tokens/s", run.tokens_per_second);
  if (peak_operations_ > 0) {
    text += fmt::format(" ({:.0f} % of peak)",
                        100 * run.tokens_per_second * plan_.token_operations / peak_operations_);
  }
  return text;
}

int TrainingReport::finish(const train::RunResult& run, const char* key, const std::string& file,
                           const std::string& folder, bool json) const {
  hide_progress();
  if (json) {
    Json all = figures(run);
    all[key] = file.empty() ? Json() : Json(file);
    write_out(dump(all) + "\n");
    return kDone;
  }
  write_out(summary(run) + "\n");
  write_out(file.empty() ? fmt::format("go on with the same command; {} holds what it needs\n",
                                       visible(folder))
                         : fmt::format("{}\n", visible(file)));
  return kDone;
}

}  // namespace issun::apps
