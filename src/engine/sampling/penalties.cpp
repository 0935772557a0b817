#include "engine/sampling/penalties.h"

namespace issun::engine {

std::span<const int32_t> recent(std::span<const int32_t> history, int last_n) {
  if (last_n < 0 || history.size() <= static_cast<size_t>(last_n)) return history;
  return history.last(static_cast<size_t>(last_n));
}

void penalise(Candidates& candidates, const SamplerOptions& options,
              std::span<const int32_t> history, std::span<int32_t> marks) {
  const bool none = options.repeat_penalty == 1 && options.presence_penalty == 0 &&
                    options.frequency_penalty == 0;
  const std::span<const int32_t> tokens = recent(history, options.repeat_last_n);
  if (none || tokens.empty()) return;
  for (const int32_t token : tokens) ++marks[static_cast<size_t>(token)];
  candidates.edit(tokens, marks, [&](float& logit, int32_t count) {
    logit = logit > 0 ? logit / options.repeat_penalty : logit * options.repeat_penalty;
    logit -= options.presence_penalty + static_cast<float>(count) * options.frequency_penalty;
  });
}

}  // namespace issun::engine
