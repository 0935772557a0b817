#include "train/tune.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/folder.h"
#include "train/block_hash.h"
#include "train/export.h"

namespace issun::train {

namespace {

constexpr int kLongestByDefault = 512;

std::string identity_of(const TuneOptions& options, const model::Model& model) {
  std::string what = "all weights";
  if (const auto& adapters = options.adapters) {
    what = fmt::format("adapters of rank {} alpha {:.9g} seed {} on", adapters->rank,
                       adapters->alpha, adapters->seed);
    for (const std::string& target : adapters->targets) what += " " + target;
  }
  if (options.rounds) what += fmt::format(" rounded to {}", facts(options.type).name);
  // The begin of every tensor: enough to know the model again, and read at once.
  constexpr int64_t kBytes = 64 << 10;
  BlockHash content;
  for (const Tensor& tensor : model.file.tensors()) {
    content.add({tensor.data, static_cast<size_t>(std::min(tensor.bytes(), kBytes))});
  }
  if (const auto& contrastive = options.contrastive) {
    what = fmt::format("contrastive temperature {:.9g} pooling {}{}, {}", contrastive->temperature,
                       static_cast<int>(contrastive->pooling),
                       contrastive->both_ways ? " both ways" : "", what);
  }
  return fmt::format("{} of {}, {} bytes, {:016x}", what, model.config.architecture,
                     model.file.data_bytes(), content.value());
}

Result<void> check_contrastive(const TrainingConfig& training) {
  if (training.batch_sequences < 2) {
    return fail("batch: expected at least two pairs, found {}: a query is told apart from others",
                training.batch_sequences);
  }
  if (training.accumulate != 1) {
    return fail(
        "accumulate: expected 1 with contrastive learning, found {}: a query sees the texts of its "
        "own batch alone, so that several batches are no larger one",
        training.accumulate);
  }
  return {};
}

}  // namespace

Result<TuneReport> tune(TuneOptions options, const kernels::KernelTable& kernels, Workers& workers,
                        const SessionReports& reports) {
  const auto model = TRY(model::Model::open(options.model));
  TRY(check_trainable(model->config));
  if (options.contrastive) {
    TRY(check_contrastive(options.training));
    options.contrastive->pooling = TRY(pooling_of(model->config));
  }
  if (options.training.sequence_length > model->config.context_length) {
    return fail(
        "sequences: expected at most the {} tokens that the model was trained for, found {}",
        model->config.context_length, options.training.sequence_length);
  }
  TRY(make_folder(options.folder));
  Parameters parameters =
      options.adapters ? TRY(Parameters::adapters(model->file, model->weights, *options.adapters))
                       : TRY(Parameters::whole(model->file, model->weights, kernels));
  if (options.rounds) TRY(parameters.train_rounded(options.type, workers));
  SessionOptions session{.config = options.training,
                         .data = options.data,
                         .documents = options.documents,
                         .encoder = {.pairs = options.contrastive.has_value()},
                         .long_talk = options.long_talk,
                         .contrastive = options.contrastive,
                         .folder = options.folder,
                         .restart = options.restart,
                         .until = options.until,
                         .identity = identity_of(options, *model)};
  if (session.config.sequence_length == 0) {
    session.config.sequence_length =
        static_cast<int>(std::min<int64_t>(model->config.context_length, kLongestByDefault));
  }
  if (!options.contrastive) {
    session.encoder.chat_template = options.chat_template.value_or(model->chat_template);
  }
  TuneReport report;
  report.run = TRY(run_session(*model, parameters, kernels, workers, std::move(session), reports));
  TRY(model->file.still_whole());
  if (!report.run.finished) return report;
  report.file = options.folder + (options.adapters ? "/adapter.gguf" : "/model.gguf");
  if (options.adapters) {
    TRY(write_adapters(model->file, parameters, options.adapters->alpha, report.file));
  } else {
    TRY(write_network(model->file, parameters,
                      {.type = options.type, .chat_template = options.chat_template}, report.file));
  }
  return report;
}

}  // namespace issun::train
