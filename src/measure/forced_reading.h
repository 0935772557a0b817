// A text read as a model in use reads and writes: a prompt in batches, then token by token as if
// the model had written them. So every way to hold its weights is timed on the same tokens.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "engine/runtime.h"

namespace issun::measure {

struct ForcedReading {
  int prompt_tokens = 0;
  double prompt_seconds = 0;
  std::vector<double> token_seconds;  // of those read one by one
  uint64_t hash = 0;                  // FNV-1a of the bits of all logits seen
  // What came from the disk; nothing where all weights are mapped.
  std::optional<experts::StoreStatistics> prompt, generation;

  double prompt_rate() const;      // tokens/s; 0: no prompt
  double generation_rate() const;  // likewise
};

// Reads the first `prompt` tokens in batches and the others one by one. row(logits) is called after
// the prompt and after each further token. Error: no room in the context, the disk.
Result<ForcedReading> read_forced(engine::Runtime& runtime, std::span<const int32_t> tokens,
                                  int prompt,
                                  const std::function<void(std::span<const float>)>& row = {});

}  // namespace issun::measure
