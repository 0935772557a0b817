#include "measure/routing_recorder.h"

#include <algorithm>

#include "base/check.h"

namespace issun::measure {

Result<experts::TraceHeader> trace_header(const model::Model& model) {
  experts::TraceHeader header;
  header.model = model.config.name.empty() ? model.config.architecture : model.config.name;
  for (size_t l = 0; l < model.config.layers.size(); ++l) {
    const auto& experts = model.weights.layers[l].mixture.experts;
    if (experts.empty()) continue;
    int64_t bytes = 0;
    for (const model::FeedForwardWeights& expert : experts) {
      expert.each_matrix(
          [&](const Tensor& matrix, double) { bytes += matrix ? matrix.bytes() : 0; });
    }
    header.layers.push_back(static_cast<int>(l));
    header.experts.push_back(static_cast<int>(experts.size()));
    header.expert_bytes.push_back(bytes / static_cast<int64_t>(experts.size()));
    header.used = model.config.layers[l].mixture.used;
  }
  if (header.layers.empty()) return fail("expected a mixture of experts, found a model without");
  return header;
}

RoutingRecorder::RoutingRecorder(experts::TraceHeader header, int lookahead)
    : lookahead_(lookahead) {
  trace_.header = std::move(header);
}

Result<void> RoutingRecorder::write_to(const std::string& path) {
  writer_ = TRY(experts::TraceWriter::create(path, trace_.header));
  return {};
}

size_t RoutingRecorder::place_of(int layer) const {
  const auto& layers = trace_.header.layers;
  const auto it = std::find(layers.begin(), layers.end(), layer);
  CHECK_THAT(it != layers.end());
  return static_cast<size_t>(it - layers.begin());
}

void RoutingRecorder::routed(int layer, int used, std::span<const int32_t> chosen) {
  CHECK_THAT(used == trace_.header.used && place_of(layer) == seen_);
  batch_.rows = static_cast<int>(chosen.size()) / used;
  batch_.phase = batch_.rows == 1 ? experts::Phase::Generate : experts::Phase::Prompt;
  batch_.experts.insert(batch_.experts.end(), chosen.begin(), chosen.end());
  if (++seen_ == trace_.header.layers.size()) end_batch();
}

void RoutingRecorder::guessed(int layer, int distance, std::span<const int32_t> experts) {
  if (batch_.rows != 1) return;  // of a prompt nobody guesses
  if (batch_.guesses.empty()) {
    batch_.guesses.assign(trace_.header.layers.size(),
                          std::vector<std::vector<int32_t>>(static_cast<size_t>(lookahead_)));
  }
  batch_.guesses[place_of(layer)][static_cast<size_t>(distance) - 1].assign(experts.begin(),
                                                                            experts.end());
}

void RoutingRecorder::end_batch() {
  if (writer_ && written_) written_ = writer_->append(batch_);
  trace_.batches.push_back(std::move(batch_));
  batch_ = {};
  seen_ = 0;
}

Result<void> RoutingRecorder::finish() {
  TRY(written_);
  if (writer_) TRY(writer_->finish());
  return {};
}

}  // namespace issun::measure
