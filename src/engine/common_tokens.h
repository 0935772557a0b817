// How far two texts are alike.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

namespace issun::engine {

// Tokens that both begin with. The first `alike` of them are known to be the same.
inline int common_tokens(std::span<const int32_t> a, std::span<const int32_t> b, int alike = 0) {
  const size_t most = std::min(a.size(), b.size());
  size_t t = std::min(static_cast<size_t>(alike), most);
  while (t < most && a[t] == b[t]) ++t;
  return static_cast<int>(t);
}

}  // namespace issun::engine
