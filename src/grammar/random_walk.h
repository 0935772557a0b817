// For fuzzing: texts that an automaton allows, written by chance.
#pragma once

#include <string>
#include <vector>

#include "base/check.h"
#include "grammar/configurations.h"

namespace issun::grammar {

// Up to `most` bytes, chosen by the bits of `seed`. Wherever the text stands it can be completed or
// continued, and what was written is accepted again.
inline void walk_randomly(const Pushdown& automaton, uint64_t seed, int most) {
  Configurations configurations(automaton);
  Configuration at = Configurations::kFirst;
  std::string text;
  std::vector<uint8_t> possible;
  for (int i = 0; i < most; ++i) {
    possible.clear();
    for (int byte = 0; byte < 256; ++byte) {
      const auto next = static_cast<uint8_t>(byte);
      if (configurations.step(at, next) != Configurations::kRefused) possible.push_back(next);
    }
    CHECK_THAT(!possible.empty() || configurations.complete(at) || configurations.gave_up());
    if (possible.empty()) break;
    seed = seed * 6364136223846793005 + 1442695040888963407;
    const uint8_t byte = possible[(seed >> 33) % possible.size()];
    text += static_cast<char>(byte);
    at = configurations.step(at, byte);
    if (i % 16 == 15) at = configurations.restart_with(at);
  }
  Configurations again(automaton);
  Configuration place = Configurations::kFirst;
  for (const char byte : text) place = again.step(place, static_cast<uint8_t>(byte));
  CHECK_THAT(place != Configurations::kRefused);
  CHECK_THAT(again.complete(place) == configurations.complete(at));
}

}  // namespace issun::grammar
