#include "train/training_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "train/config_reader.h"

namespace issun::train {

namespace {

constexpr int64_t kMany = int64_t{1} << 50;

Result<void> read_length(ConfigReader& reader, TrainingConfig& c) {
  const int given = reader.has("steps") + reader.has("epochs") + reader.has("tokens");
  if (given > 1) return fail("training: expected one of steps, epochs and tokens, found {}", given);
  if (given == 1) c.steps = c.tokens = 0, c.epochs = 0;
  c.steps = TRY(reader.long_count("steps", 1, kMany, c.steps));
  c.epochs = TRY(reader.number("epochs", 1e-6, 1e9, c.epochs));
  c.tokens = TRY(reader.long_count("tokens", 1, kMany, c.tokens));
  if (c.steps == 0 && c.tokens == 0 && c.epochs == 0) {
    return fail("training: expected one of steps, epochs and tokens, found none");
  }
  return {};
}

Result<void> read_schedule(ConfigReader& reader, Schedule& s) {
  s.peak = TRY(reader.number("learning_rate", 1e-12, 10, s.peak));
  if (reader.has("schedule")) s.decay = TRY(decay_from_name(TRY(reader.text("schedule"))));
  s.warmup = TRY(reader.long_count("warmup_steps", 0, kMany, s.warmup));
  s.least_share = TRY(reader.number("min_ratio", 0, 1, s.least_share));
  s.decay_share = TRY(reader.number("decay_share", 1e-6, 1, s.decay_share));
  return {};
}

Result<void> read_adamw(ConfigReader& reader, AdamwOptions& o) {
  o.weight_decay = TRY(reader.number("weight_decay", 0, 10, o.weight_decay));
  o.beta1 = TRY(reader.number("beta1", 0, 0.9999999, o.beta1));
  o.beta2 = TRY(reader.number("beta2", 0, 0.9999999, o.beta2));
  o.epsilon = TRY(reader.number("epsilon", 1e-30, 1, o.epsilon));
  o.clip = TRY(reader.number("clip", 0, 1e9, o.clip));
  return {};
}

Result<void> read_choices(ConfigReader& reader, TrainingConfig& c) {
  if (reader.has("precision")) {
    const std::string name = TRY(reader.text("precision"));
    if (name == "f32") {
      c.precision = kernels::GemmPrecision::F32;
    } else if (name == "bf16") {
      c.precision = kernels::GemmPrecision::BF16;
    } else if (name != "auto") {
      return fail("training.precision: expected auto, f32 or bf16, found {}", name);
    }
  }
  if (!reader.has("recompute")) return {};
  const std::string name = TRY(reader.text("recompute"));
  if (name != "auto" && name != "on" && name != "off") {
    return fail("training.recompute: expected auto, on or off, found {}", name);
  }
  c.recompute = name == "auto" ? Recompute::Auto : name == "on" ? Recompute::On : Recompute::Off;
  return {};
}

}  // namespace

Result<TrainingConfig> read_training_config(const Json& json, TrainingConfig c) {
  ConfigReader reader(json, "training");
  c.sequence_length = TRY(reader.count("sequence_length", 2, 1 << 24, c.sequence_length));
  c.batch_sequences = TRY(reader.count("batch_sequences", 1, 1 << 20, c.batch_sequences));
  c.accumulate = TRY(reader.count("accumulate", 1, 1 << 16, c.accumulate));
  TRY(read_length(reader, c));
  TRY(read_schedule(reader, c.schedule));
  TRY(read_adamw(reader, c.adamw));
  c.balance = TRY(reader.number("balance", 0, 10, c.balance));
  TRY(read_choices(reader, c));
  c.seed = static_cast<uint64_t>(
      TRY(reader.long_count("seed", 0, INT64_MAX, static_cast<int64_t>(c.seed))));
  c.valid_share = TRY(reader.number("valid_share", 0, 0.5, c.valid_share));
  c.valid_every = TRY(reader.long_count("valid_every", 1, kMany, c.valid_every));
  c.valid_tokens = TRY(reader.long_count("valid_tokens", 1, kMany, c.valid_tokens));
  c.checkpoint_every = TRY(reader.long_count("checkpoint_every", 1, kMany, c.checkpoint_every));
  TRY(reader.all_known());
  return c;
}

Result<void> fill_steps(TrainingConfig& config, int64_t sequences) {
  const double a_step = config.accumulate * static_cast<double>(config.batch_sequences);
  double steps = static_cast<double>(config.steps);
  if (config.epochs != 0) steps = config.epochs * static_cast<double>(sequences) / a_step;
  if (config.tokens != 0) {
    steps = static_cast<double>(config.tokens) / static_cast<double>(config.step_tokens());
  }
  config.schedule.steps = std::max<int64_t>(1, std::llround(std::min(steps, 1e15)));
  return check(config.schedule);
}

std::string fingerprint(const TrainingConfig& c) {
  return fmt::format(
      "sequences {} x {} x {}, {} {:.9g} {:.9g} {:.9g} warmup {}, adamw {:.9g} {:.9g} {:.9g} "
      "{:.9g} "
      "clip {:.9g}, balance {:.9g}, seed {}, valid {:.9g}",
      c.sequence_length, c.batch_sequences, c.accumulate, static_cast<int>(c.schedule.decay),
      c.schedule.peak, c.schedule.least_share, c.schedule.decay_share, c.schedule.warmup,
      c.adamw.beta1, c.adamw.beta2, c.adamw.epsilon, c.adamw.weight_decay, c.adamw.clip, c.balance,
      c.seed, c.valid_share);
}

}  // namespace issun::train
