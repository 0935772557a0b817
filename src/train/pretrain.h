// A model from nothing but a configuration and texts: tokenizer, random weights, training, and the
// file in the end.
#pragma once

#include <string>
#include <vector>

#include "train/session.h"

namespace issun::train {

struct PretrainOptions {
  std::string config;             // the path of a JSON file with "model", "tokenizer", "training"
  std::vector<std::string> data;  // files and folders
  std::string folder;             // where everything goes
  bool restart = false;
  int64_t until = INT64_MAX;
};

struct PretrainReport {
  RunResult run;
  std::string model;  // the file's path; empty while the run is not finished
};

// folder/ holds tokenizer.gguf, tokens.issun, the checkpoints, curve.csv, curve.svg, and in the end
// model.gguf. Called again after an interruption it goes on, bit for bit as if there had been none.
Result<PretrainReport> pretrain(const PretrainOptions& options, const kernels::KernelTable& kernels,
                                Workers& workers, const SessionReports& reports);

}  // namespace issun::train
