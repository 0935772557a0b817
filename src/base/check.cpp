#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace issun::detail {

void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "issun: bug: %s:%d: %s does not hold\n", file, line, condition);
  std::abort();
}

}  // namespace issun::detail
