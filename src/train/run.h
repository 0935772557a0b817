// A run of training: step after step, looked at and kept, from where it stood to its end. What is
// learnt, and from what, is ready before (pretrain.h, tune.h).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "train/batch_source.h"
#include "train/checkpoint.h"
#include "train/curve.h"
#include "train/network.h"
#include "train/optimiser.h"
#include "train/training_config.h"

namespace issun::train {

struct RunProgress {
  int64_t step = 0, steps = 0;
  double loss = 0;  // nats a target, smoothed
  double tokens_per_second = 0;
  double floating_operations_per_second = 0;  // of the model, what is run again not counted
  // Measured in this step: the loss, and the share of targets that were found the likeliest.
  std::optional<double> valid_loss = {}, valid_hits = {};
};

// What the run says, and to whom.
struct RunReports {
  std::function<void(const RunProgress&)> progress = {};
  std::function<void(const std::string&)> note = {};  // a sentence worth keeping
};

struct RunParts {
  TrainingConfig config;  // steps filled in
  Parameters* parameters = nullptr;
  Network* network = nullptr;
  const kernels::KernelTable* kernels = nullptr;
  Workers* workers = nullptr;
  const BatchSource* train = nullptr;
  const BatchSource* valid = nullptr;  // or none
  // Of the network's last batch, which is given: sums over its targets. Leaves the gradient of
  // weight * loss in the network; weight 0: none is needed.
  std::function<LossSums(Network&, const Batch&, double weight)> loss = {};
  const char* target = "token";  // what the loss is a mean over, for people
  uint64_t data_hash = 0;
  std::string identity;         // what has to be the same to go on
  std::string folder;           // for checkpoints and the curve
  double token_operations = 0;  // floating-point ones of a token, forward and backward
  // Error: a file that is read from all the while became shorter. Asked before each checkpoint.
  std::function<Result<void>()> still_whole = {};
};

struct RunResult {
  bool finished = false;  // or interrupted by Ctrl-C, with a checkpoint
  int64_t steps = 0, tokens = 0;
  double train_loss = 0;  // nats a target, smoothed
  std::optional<double> valid_loss, best_loss;
  std::optional<double> valid_hits;  // as RunProgress; none where no step was left to take
  double seconds = 0;                // of training, of all sessions together
  double tokens_per_second = 0;      // the median of this session's steps
  int64_t skipped_steps = 0, spikes = 0;
};

class Run {
 public:
  Run(RunParts parts, RunReports reports);

  // Goes on from the newest whole checkpoint of the folder, if there is one. Error: it is of
  // another configuration, other data or another shape; the disk.
  Result<void> resume();
  // Until the end, or until step `until` if that comes first. A step whose loss or gradients are
  // no numbers is skipped and said; kMostBadSteps of them in a row are an error, which names the
  // first such tensor. Error: the disk; the newest checkpoint stays.
  Result<RunResult> go(int64_t until = INT64_MAX);

  static constexpr int kMostBadSteps = 10;

 private:
  struct StepSums {
    LossSums loss;
    int64_t used = 0;  // tokens that are no padding
    StepReport report;
  };
  StepSums take_step();
  Result<void> judge(const StepSums& sums);
  std::optional<LossSums> validate();
  Result<void> save();
  Result<void> look(const StepSums& sums, double step_seconds, bool last);
  void note(const std::string& sentence) const;

  RunParts parts_;
  RunReports reports_;
  Optimiser optimiser_;
  TrainingState state_;
  std::optional<Curve> curve_;
  std::vector<Batch> batches_;  // of one step
  Batch valid_batch_;
  RunResult result_;
  std::vector<double> speeds_;
  std::optional<double> smooth_loss_;
  double loss_deviation_ = 0;
  int64_t smoothed_steps_ = 0;
  int bad_steps_ = 0;  // in a row
};

}  // namespace issun::train
