// What `issun run` tells about an answer when asked for statistics.
#pragma once

#include <cstdint>
#include <string>

#include "engine/engine.h"
#include "engine/runtime.h"

namespace issun::apps {

struct RunReport {
  std::string text;
  engine::Finish finish = engine::Finish::Running;
  engine::RequestStatistics statistics;
  uint64_t logits_hash = 0;
};

std::string readable(const RunReport& report, engine::Runtime& runtime);
std::string to_json(const RunReport& report, engine::Runtime& runtime);
// What was loaded and how it will run, before the first answer.
std::string describe_start(engine::Runtime& runtime);

}  // namespace issun::apps
