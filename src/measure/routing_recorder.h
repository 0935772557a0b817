// Writes down which experts a model's routers choose while it runs: an experts::Trace.
#pragma once

#include <optional>
#include <string>

#include "experts/trace.h"
#include "model/model.h"
#include "model/observer.h"

namespace issun::measure {

// The header of a trace of this model. Error: it has no mixtures of experts.
Result<experts::TraceHeader> trace_header(const model::Model& model);

// Of a model that runs one sequence: a batch of one token counts as generation.
class RoutingRecorder final : public model::RoutingObserver {
 public:
  // lookahead: how many mixtures ahead guesses are noted, of batches of few tokens.
  RoutingRecorder(experts::TraceHeader header, int lookahead);
  // What was seen goes to a file too, batch by batch, from now on.
  Result<void> write_to(const std::string& path);

  void routed(int layer, int used, std::span<const int32_t> chosen) override;
  int lookahead() const override { return lookahead_; }
  void guessed(int layer, int distance, std::span<const int32_t> experts) override;

  const experts::Trace& trace() const { return trace_; }
  // Error: the disk, at any time since the start.
  Result<void> finish();

 private:
  size_t place_of(int layer) const;
  void end_batch();

  experts::Trace trace_;
  const int lookahead_;
  experts::TraceBatch batch_;
  size_t seen_ = 0;  // mixtures of this batch
  std::optional<experts::TraceWriter> writer_;
  Result<void> written_;
};

}  // namespace issun::measure
