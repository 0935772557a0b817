// A model that is there taught something more: all of its weights, or adapters beside them while
// they stay as they are, quantised or not.
#pragma once

#include <optional>
#include <string>

#include "train/session.h"

namespace issun::train {

struct TuneOptions {
  std::string model;              // a GGUF file
  std::vector<std::string> data;  // texts, talks, prompts with answers
  std::string folder;
  std::optional<AdapterOptions> adapters = AdapterOptions{};  // none: all weights
  TrainingConfig training;  // sequence_length 0: what the model was trained for, at most 512
  DocumentOptions documents = {};
  std::optional<std::string> chat_template;  // instead of the file's
  LongTalk long_talk = LongTalk::Refuse;
  // The data is pairs of texts, and the model learns to embed; its own pooling holds.
  std::optional<ContrastiveOptions> contrastive = {};
  DType type = DType::F16;  // of a whole model's matrices
  bool rounds = false;      // compute with what `type` makes of them all the while
  bool restart = false;
  int64_t until = INT64_MAX;
};

struct TuneReport {
  RunResult run;
  std::string file;  // adapter.gguf or model.gguf in the folder; empty while not finished
};

Result<TuneReport> tune(TuneOptions options, const kernels::KernelTable& kernels, Workers& workers,
                        const SessionReports& reports);

}  // namespace issun::train
