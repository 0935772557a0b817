#include "cache/hadamard.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "base/check.h"

namespace issun::cache {

namespace {

bool is_prime(int n) {
  for (int d = 2; d * d <= n; ++d) {
    if (n % d == 0) return false;
  }
  return n > 1;
}

// Paley's first construction with the prime q = order - 1, its columns in the order that makes it
// symmetric: the number at (i, j) follows from i + j alone, but for a border of ones. by_sum: for
// each sum modulo q.
std::vector<int> paley_signs(int order) {
  const int q = order - 1;
  std::vector<int> by_sum(static_cast<size_t>(q), 1);  // minus the quadratic character
  for (int64_t a = 0; a < q; ++a) by_sum[static_cast<size_t>(a * a % q)] = -1;
  return by_sum;
}

}  // namespace

std::vector<HadamardBlock> hadamard_blocks(int width, int limit) {
  CHECK_THAT(width > 0);
  if (limit != kWholeWidth && width > limit) {
    std::vector<HadamardBlock> blocks = hadamard_blocks(width - limit, limit);
    const std::vector<HadamardBlock> first = hadamard_blocks(limit);
    blocks.insert(blocks.begin(), first.begin(), first.end());
    return blocks;
  }
  const int doublings = std::countr_zero(static_cast<unsigned>(width));
  const int odd = width >> doublings;
  if (odd == 1) return {{1, doublings}};
  if (doublings >= 2 && is_prime(4 * odd - 1)) return {{4 * odd, doublings - 2}};
  std::vector<HadamardBlock> blocks;
  for (int bit = 30; bit >= 0; --bit) {
    if ((width >> bit & 1) != 0) blocks.push_back({1, bit});
  }
  return blocks;
}

std::string hadamard_name(int width, int limit) {
  std::string name;
  const std::vector<HadamardBlock> blocks = hadamard_blocks(width, limit);
  for (size_t i = 0; i < blocks.size();) {
    const HadamardBlock& block = blocks[i];
    size_t count = 0;
    for (; i < blocks.size() && blocks[i].order() == block.order(); ++i) ++count;
    if (!name.empty()) name += " + ";
    if (count > 1) name += fmt::format("{} ", count);
    if (block.paley > 1) name += fmt::format("H{}", block.paley);
    if (block.paley > 1 && block.doublings > 0) name += " x ";
    if (block.paley == 1 || block.doublings > 0) name += fmt::format("H{}", 1 << block.doublings);
  }
  return name;
}

void fill_hadamard(int width, int limit, std::span<float> matrix) {
  CHECK_THAT(matrix.size() == static_cast<size_t>(width) * static_cast<size_t>(width));
  std::fill(matrix.begin(), matrix.end(), 0.0f);
  int first = 0;
  for (const HadamardBlock& block : hadamard_blocks(width, limit)) {
    const int order = block.order(), low = (1 << block.doublings) - 1;
    const std::vector<int> signs = block.paley > 1 ? paley_signs(block.paley) : std::vector<int>{1};
    const float size = static_cast<float>(1 / std::sqrt(static_cast<double>(order)));
    for (int r = 0; r < order; ++r) {
      for (int c = 0; c < order; ++c) {
        const int i = r >> block.doublings, j = c >> block.doublings;
        const bool border = i == 0 || j == 0;
        const int paley = border ? 1 : signs[static_cast<size_t>((i + j - 2) % (block.paley - 1))];
        const bool minus = std::popcount(static_cast<unsigned>(r & c & low)) % 2 != 0;
        matrix[static_cast<size_t>(first + r) * static_cast<size_t>(width) +
               static_cast<size_t>(first + c)] = minus == (paley < 0) ? size : -size;
      }
    }
    first += order;
  }
}

}  // namespace issun::cache
