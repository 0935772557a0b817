#include "measure/forced_reading.h"

#include <algorithm>
#include <numeric>

#include "base/clock.h"
#include "base/fnv.h"
#include "model/sequence.h"

namespace issun::measure {

namespace {
std::optional<experts::StoreStatistics> take_statistics(engine::Runtime& runtime) {
  if (runtime.residency() == nullptr) return std::nullopt;
  experts::Store& store = runtime.residency()->store();
  auto statistics = store.statistics();
  store.reset_statistics();
  return statistics;
}
}  // namespace

double ForcedReading::prompt_rate() const {
  return prompt_seconds > 0 ? prompt_tokens / prompt_seconds : 0;
}

double ForcedReading::generation_rate() const {
  const double seconds = std::accumulate(token_seconds.begin(), token_seconds.end(), 0.0);
  return seconds > 0 ? static_cast<double>(token_seconds.size()) / seconds : 0;
}

Result<ForcedReading> read_forced(engine::Runtime& runtime, std::span<const int32_t> tokens,
                                  int prompt,
                                  const std::function<void(std::span<const float>)>& row) {
  cache::PagedKv cache = TRY(runtime.new_cache());
  model::Sequence sequence(runtime.forward(), cache);
  ForcedReading reading;
  reading.hash = kFnvStart;
  reading.prompt_tokens = prompt;
  const auto see = [&](const Matrix<const float>& logits) {
    const std::span<const float> values(logits.row(0), static_cast<size_t>(logits.columns));
    reading.hash = fnv1a(std::as_bytes(values), reading.hash);
    if (row) row(values);
  };
  take_statistics(runtime);
  double began = seconds_now();
  const size_t end = static_cast<size_t>(prompt);
  for (size_t at = 0; at < end;) {
    const size_t count = std::min(end - at, static_cast<size_t>(runtime.options().max_rows));
    const bool last = at + count == end;
    const auto logits = TRY(sequence.append(tokens.subspan(at, count),
                                            last ? model::Wanted::Last : model::Wanted::None));
    if (last) {
      reading.prompt_seconds = seconds_now() - began;
      see(logits);
    }
    at += count;
  }
  reading.prompt = take_statistics(runtime);
  for (size_t at = end; at < tokens.size(); ++at) {
    began = seconds_now();
    const auto logits = TRY(sequence.append(tokens.subspan(at, 1), model::Wanted::Last));
    reading.token_seconds.push_back(seconds_now() - began);
    see(logits);
  }
  reading.generation = take_statistics(runtime);
  TRY(runtime.model().file.still_whole());
  return reading;
}

}  // namespace issun::measure
