// How much may be computed to make the schemas of a grammar ready: they come from a stranger, and
// small texts can ask for much.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace issun::grammar {

// Units are entries of tables of machines (dfa.h): some hundred nanoseconds each.
class Work {
 public:
  static constexpr int64_t kMost = 10'000'000;
  Result<void> spend(int64_t units) {
    left_ -= units;
    if (left_ >= 0) return {};
    return fail("schema: too large: it takes more than {} steps to be made ready", kMost);
  }

 private:
  int64_t left_ = kMost;
};

}  // namespace issun::grammar
