// One session of training: data made ready, memory planned, the run begun or taken up again.
#pragma once

#include <string>
#include <vector>

#include "model/model.h"
#include "train/contrastive.h"
#include "train/document_encoder.h"
#include "train/run.h"
#include "train/token_store.h"

namespace issun::train {

struct SessionOptions {
  TrainingConfig config;
  std::vector<std::string> data;  // files and folders
  DocumentOptions documents = {};
  DocumentEncoderOptions encoder = {};
  LongTalk long_talk = LongTalk::Refuse;
  // The data is pairs of texts, of which config.batch_sequences make a batch; none: what follows
  // each token is learnt.
  std::optional<ContrastiveOptions> contrastive = {};
  std::string folder;         // what is kept of the run; made where there is none
  bool restart = false;       // forget the checkpoints of a run that is there
  int64_t until = INT64_MAX;  // a step to stop at
  // Beside the configuration: what has to be the same to go on.
  std::string identity;
};

// Known before the first step.
struct SessionPlan {
  int64_t parameters = 0;  // trained
  int64_t parameter_bytes = 0, network_bytes = 0, available_bytes = 0;
  bool recompute = false;
  kernels::GemmPrecision precision = kernels::GemmPrecision::F32;
  int64_t tokens = 0, valid_tokens = 0;  // of the data
  int64_t pairs = 0, valid_pairs = 0;    // of texts, where those are learnt from; otherwise 0
  int64_t steps = 0, step_tokens = 0;
  int64_t step_pairs = 0;
  double token_operations = 0;  // floating-point ones, forward and backward
};

struct SessionReports {
  RunReports run;
  std::function<void(const std::string&)> waiting = {};  // for what, before the run
  std::function<void(int64_t documents, int64_t tokens)> reading = {};
  std::function<void(const SessionPlan&)> plan = {};
};

// Error: data, memory that is not there (with the numbers), and whatever Run says.
Result<RunResult> run_session(const model::Model& model, Parameters& parameters,
                              const kernels::KernelTable& kernels, Workers& workers,
                              SessionOptions options, const SessionReports& reports);

// Removes the checkpoints of a folder.
Result<void> forget_checkpoints(const std::string& folder);

}  // namespace issun::train
