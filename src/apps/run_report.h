// What `issun run` tells about an answer when asked for statistics.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "chat/answer.h"
#include "engine/engine.h"
#include "engine/runtime.h"

namespace issun::apps {

struct TokenReport {
  int32_t token = 0;
  engine::Probabilities probabilities;
};

struct RunReport {
  std::string text;  // as the model wrote it
  chat::Answer answer;
  std::vector<TokenReport> tokens;  // where their probabilities are asked for
  engine::Finish finish = engine::Finish::Running;
  engine::RequestStatistics statistics;
  uint64_t logits_hash = 0;
  long long peak_memory = 0;  // bytes, of the process, when the answer ended

  // What one step brought, and what it adds to the answer.
  void add(const engine::Event& event, const chat::Answer& more);
};

// What follows from it, on this machine.
struct RunFigures {
  // Where weights come and go, since the model was loaded.
  std::optional<experts::StoreStatistics> store;
  double load_seconds = 0;
  int prompt_tokens = 0;  // computed, not found in the cache
  double prompt_rate = 0, generation_rate = 0, bytes_per_second = 0;
  double peak_share = -1;  // of the bandwidth measured here; -1: unavailable
};
// Measures the machine at the first call, which takes a moment.
RunFigures figures(const RunReport& report, engine::Runtime& runtime);

std::string readable(const RunReport& report, const RunFigures& figures);
std::string to_json(const RunReport& report, const RunFigures& figures,
                    const tokenizer::Tokenizer& tokenizer);
// What is to be shown of `more` behind what was shown before: content as it is, and each call as
// JSON on a line of its own.
std::string readable(const chat::Answer& more, const chat::Answer& before);
// What was loaded and how it will run, before the first answer.
std::string describe_start(engine::Runtime& runtime);

}  // namespace issun::apps
