// How a run of training goes, as its configuration says it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/json.h"
#include "kernels/gemm.h"
#include "train/optimiser.h"
#include "train/schedule.h"

namespace issun::train {

enum class Recompute { Auto, On, Off };  // Auto: where memory is short otherwise

struct TrainingConfig {
  int sequence_length = 0;  // tokens of a sequence
  int batch_sequences = 8;  // run through the network at once
  int accumulate = 1;       // such batches to a step
  // How long: exactly one of the three is given.
  int64_t steps = 0;
  double epochs = 0;   // times over the data
  int64_t tokens = 0;  // in all
  Schedule schedule;   // its steps are filled in when they are known
  AdamwOptions adamw;
  double balance = 0.01;  // factor of the balance loss of each layer with a mixture
  std::optional<kernels::GemmPrecision> precision;  // none: what is fastest here
  Recompute recompute = Recompute::Auto;
  uint64_t seed = 1;
  double valid_share = 0.02;
  int64_t valid_every = 100, checkpoint_every = 100;  // steps
  int64_t valid_tokens = 65536;                       // at most, of the valid side

  int64_t step_tokens() const { return int64_t{accumulate} * batch_sequences * sequence_length; }
};

// From the "training" object; what it leaves out is as in `otherwise`. Error: a key that is
// unknown, of another kind or out of range; more than one of steps, epochs, tokens.
Result<TrainingConfig> read_training_config(const Json& json, TrainingConfig otherwise);

// The steps of a run over data of so many sequences an epoch, and a schedule over them. Error: a
// schedule that does not fit them.
Result<void> fill_steps(TrainingConfig& config, int64_t sequences);

// All that has to be the same for a run to go on as it began: not how long it is, nor how often it
// is looked at.
std::string fingerprint(const TrainingConfig& config);

}  // namespace issun::train
