#include "train/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/clock.h"
#include "base/terminal.h"
#include "train/curve_svg.h"

namespace issun::train {

namespace {

constexpr double kSmoothing = 0.02;  // of the loss that is shown: about the last 50 steps
// A loss so many mean deviations above the smoothed one is told as a spike, once it has settled.
constexpr double kSpikeDeviations = 8, kLeastSpike = 0.3;
constexpr int64_t kSettled = 50;
constexpr int64_t kCurveRows = 4000;  // about as many in a whole run

struct NamedBytes {
  const char* name;
  std::span<float> floats;
};
std::vector<NamedBytes> sections_of(const Parameters& parameters) {
  return {{"values", parameters.learnt()},
          {"first moments", parameters.first_moments()},
          {"second moments", parameters.second_moments()}};
}

}  // namespace

Run::Run(RunParts parts, RunReports reports)
    : parts_(std::move(parts)),
      reports_(std::move(reports)),
      optimiser_(*parts_.parameters, *parts_.kernels, *parts_.workers, parts_.config.adamw),
      batches_(static_cast<size_t>(parts_.config.accumulate)) {
  state_.seed = parts_.config.seed;
  state_.data_hash = parts_.data_hash;
  state_.config = parts_.identity;
}

void Run::note(const std::string& sentence) const {
  if (reports_.note) reports_.note(sentence);
}

Result<void> Run::resume() {
  std::vector<std::string> notes;
  const auto checkpoint = TRY(newest_checkpoint(parts_.folder, &notes));
  for (const std::string& sentence : notes) note(sentence);
  if (checkpoint) {
    const TrainingState& kept = checkpoint->state();
    if (kept.config != parts_.identity) {
      return fail("{}: expected a run of this configuration ({}), found one of another ({})",
                  checkpoint->path(), parts_.identity, kept.config);
    }
    if (kept.data_hash != parts_.data_hash) {
      return fail("{}: expected a run over this data, found one over other data",
                  checkpoint->path());
    }
    TRY(parts_.train->fits(kept.data));
    for (const NamedBytes& part : sections_of(*parts_.parameters)) {
      TRY(checkpoint->read(part.name, std::as_writable_bytes(part.floats)));
    }
    parts_.parameters->round(*parts_.workers);
    state_ = kept;
    optimiser_.taken = kept.adam_step;
    result_.best_loss = kept.best_loss;
    note(fmt::format("goes on from step {}", kept.step));
  }
  curve_ = TRY(Curve::open(parts_.folder + "/curve.csv", state_.step));
  return {};
}

Run::StepSums Run::take_step() {
  const TrainingConfig& config = parts_.config;
  DataState next = state_.data;
  int64_t learnt = 0;
  for (Batch& batch : batches_) {
    parts_.train->next(config.batch_sequences, &next, &batch);
    learnt += batch.learnt;
  }
  StepSums sums;
  for (const Batch& batch : batches_) {
    parts_.network->forward(batch);
    const double weight = 1 / static_cast<double>(std::max<int64_t>(1, learnt));
    const LossSums loss = parts_.loss(*parts_.network, batch, weight);
    parts_.network->backward();
    sums.loss.cross_entropy += loss.cross_entropy;
    sums.loss.rows += loss.rows;
    sums.loss.hits += loss.hits;
    sums.used += batch.used;
  }
  state_.tokens += sums.used;
  if (learnt == 0) {
    // Padding and prompts alone: there is nothing to go down.
  } else if (!std::isfinite(sums.loss.cross_entropy)) {
    std::fill(parts_.parameters->gradients().begin(), parts_.parameters->gradients().end(), 0.0f);
  } else {
    sums.report = optimiser_.step(learning_rate(config.schedule, state_.step));
  }
  state_.data = next;
  ++state_.step;
  state_.adam_step = optimiser_.taken;
  return sums;
}

// Tells bad steps and spikes. Error: too many bad steps in a row.
Result<void> Run::judge(const StepSums& sums) {
  if (sums.loss.rows == 0) return {};
  const double loss =
      sums.loss.cross_entropy / static_cast<double>(std::max<int64_t>(1, sums.loss.rows));
  if (!std::isfinite(loss) || !sums.report.taken) {
    const std::string what =
        std::isfinite(loss) ? fmt::format("a gradient that is no number in {}", sums.report.unsound)
                            : "a loss that is no number";
    ++result_.skipped_steps;
    if (++bad_steps_ >= kMostBadSteps) {
      return fail(
          "step {}: {}, as in the {} steps before: expected numbers; a smaller "
          "learning_rate or more warmup_steps may help",
          state_.step, what, kMostBadSteps - 1);
    }
    note(fmt::format("step {}: {}: skipped", state_.step, what));
    return {};
  }
  bad_steps_ = 0;
  if (!smooth_loss_) smooth_loss_ = loss;
  const double above = loss - *smooth_loss_;
  if (smoothed_steps_ >= kSettled &&
      above > std::max(kLeastSpike, kSpikeDeviations * loss_deviation_)) {
    ++result_.spikes;
    note(
        fmt::format("step {}: the loss jumped to {:.3f} from about {:.3f} (gradient norm {:.2f}{})",
                    state_.step, loss, *smooth_loss_, sums.report.gradient_norm,
                    sums.report.clipped ? ", clipped" : ""));
  }
  // The first steps count more, until there are enough for a mean.
  const double share = std::max(kSmoothing, 1.0 / static_cast<double>(++smoothed_steps_));
  *smooth_loss_ += share * above;
  loss_deviation_ += share * (std::abs(above) - loss_deviation_);
  return {};
}

// Batches of about one size: how hard a pair is to find depends on how many others there are.
std::optional<LossSums> Run::validate() {
  if (parts_.valid == nullptr) return {};
  const TrainingConfig& config = parts_.config;
  const int64_t most = std::max<int64_t>(1, config.valid_tokens / parts_.valid->item_tokens());
  const int64_t items = std::min(parts_.valid->items(), most);
  const int64_t batches = (items + config.batch_sequences - 1) / config.batch_sequences;
  LossSums sums;
  for (int64_t b = 0; b < batches; ++b) {
    const int64_t first = b * items / batches, end = (b + 1) * items / batches;
    parts_.valid->read(first, static_cast<int>(end - first), &valid_batch_);
    parts_.network->forward(valid_batch_);
    const LossSums some = parts_.loss(*parts_.network, valid_batch_, 0);
    sums.cross_entropy += some.cross_entropy;
    sums.rows += some.rows;
    sums.hits += some.hits;
  }
  return sums;
}

Result<void> Run::save() {
  if (parts_.still_whole) TRY(parts_.still_whole());
  std::vector<Section> sections;
  for (const NamedBytes& part : sections_of(*parts_.parameters)) {
    sections.push_back({part.name, std::as_bytes(part.floats)});
  }
  // The curve first: rows beyond a checkpoint are dropped when a run goes on, missing ones are not
  // made again.
  TRY(curve_->flush());
  TRY(save_checkpoint(parts_.folder, state_, sections));
  return write_atomically(parts_.folder + "/curve.svg",
                          curve_svg(curve_->rows(), "training", parts_.target));
}

// After a step: validation, the curve, a checkpoint, the line that a person sees.
Result<void> Run::look(const StepSums& sums, double step_seconds, bool last) {
  const TrainingConfig& config = parts_.config;
  const int64_t step = state_.step;
  RunProgress progress{.step = step, .steps = config.schedule.steps};
  progress.loss = smooth_loss_.value_or(NAN);
  progress.tokens_per_second = static_cast<double>(sums.used) / step_seconds;
  progress.floating_operations_per_second = progress.tokens_per_second * parts_.token_operations;
  speeds_.push_back(progress.tokens_per_second);
  if (step % config.valid_every == 0 || last) {
    if (const std::optional<LossSums> held = validate()) {
      const double targets = static_cast<double>(std::max<int64_t>(1, held->rows));
      progress.valid_loss = result_.valid_loss = held->cross_entropy / targets;
      progress.valid_hits = result_.valid_hits = static_cast<double>(held->hits) / targets;
    }
    if (progress.valid_loss && *progress.valid_loss < state_.best_loss.value_or(INFINITY)) {
      state_.best_loss = progress.valid_loss;
    }
  }
  if (progress.valid_loss || step % std::max<int64_t>(1, config.schedule.steps / kCurveRows) == 0) {
    const double rows = static_cast<double>(std::max<int64_t>(1, sums.loss.rows));
    curve_->add({.step = step,
                 .tokens = state_.tokens,
                 .train_loss = sums.loss.cross_entropy / rows,
                 .valid_loss = progress.valid_loss,
                 .learning_rate = learning_rate(config.schedule, step - 1),
                 .gradient_norm = sums.report.gradient_norm,
                 .tokens_per_second = progress.tokens_per_second,
                 .seconds = state_.seconds});
  }
  if (step % config.checkpoint_every == 0 || last) TRY(save());
  if (reports_.progress) reports_.progress(progress);
  return {};
}

Result<RunResult> Run::go(int64_t until) {
  const int64_t end = std::min(parts_.config.schedule.steps, until);
  while (state_.step < end && !Interrupts::pending()) {
    const double start = seconds_now();
    const StepSums sums = take_step();
    const double seconds = seconds_now() - start;
    state_.seconds += seconds;
    TRY(judge(sums));
    TRY(look(sums, seconds, state_.step == end));
  }
  if (state_.step < end) TRY(save());
  result_.finished = state_.step >= parts_.config.schedule.steps;
  result_.steps = state_.step;
  result_.tokens = state_.tokens;
  // Where nothing was left to do, what was done last.
  if (!smooth_loss_ && !curve_->rows().empty()) {
    const CurveRow& last = curve_->rows().back();
    smooth_loss_ = last.train_loss;
    result_.valid_loss = last.valid_loss;
    speeds_.push_back(last.tokens_per_second);
  }
  result_.train_loss = smooth_loss_.value_or(NAN);
  result_.best_loss = state_.best_loss;
  result_.seconds = state_.seconds;
  if (!speeds_.empty()) {
    std::nth_element(speeds_.begin(), speeds_.begin() + speeds_.size() / 2, speeds_.end());
    result_.tokens_per_second = speeds_[speeds_.size() / 2];
  }
  return result_;
}

}  // namespace issun::train
