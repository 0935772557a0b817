#include "kernels/same_products.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "base/memory.h"
#include "tensor/dtype.h"

namespace issun::kernels {

namespace {

constexpr int kRows = 17, kTokens = 7;  // beyond whole panels and whole tiles of tokens

// Any bits but for the upper ones of 16: scales are finite, and signed bytes reach from -128 to
// 127.
std::vector<uint16_t> made_up_rows(int64_t bytes, std::mt19937& random) {
  std::vector<uint16_t> words(static_cast<size_t>(bytes + 1) / 2);
  for (uint16_t& word : words) word = random() & 0x1fff;
  return words;
}

// (tokens, rows) of out.
std::vector<float> products(LinearKernel kernel, LinearTask task, std::byte* scratch) {
  std::vector<float> out(size_t{kTokens} * kRows);
  task.out = out.data();
  task.out_stride = kRows;
  kernel(&task, 0, kRows, scratch);
  return out;
}

// Sums differ in order, by some millionths of the largest; one wrong product is a thousandth or
// more.
bool agree(const std::vector<float>& some, const std::vector<float>& others) {
  float largest = 0;
  for (const float x : others)
    if (std::isfinite(x)) largest = std::max(largest, std::fabs(x));
  for (size_t i = 0; i < some.size(); ++i) {
    if (!std::isfinite(some[i]) && !std::isfinite(others[i])) continue;
    if (!(std::fabs(some[i] - others[i]) <= 1e-4f * largest)) return false;
  }
  return true;
}

}  // namespace

bool same_products(const KernelTable& table, const KernelTable& trusted) {
  constexpr int64_t kStride = sizeof(Q8Block);
  const auto activations = AlignedBuffer::create(kTokens * kStride),
             others = AlignedBuffer::create(kTokens * kStride),
             scratch = AlignedBuffer::create(kScratchBytes);
  if (!activations || !others || !scratch) return false;
  std::mt19937 random(1);
  std::vector<float> x(kQ8Columns);
  for (int t = 0; t < kTokens; ++t) {
    for (float& value : x) value = static_cast<float>(random()) / 0x1p31f - 1;
    trusted.quantise(x.data(), kQ8Columns, activations->data() + t * kStride);
    table.quantise(x.data(), kQ8Columns, others->data() + t * kStride);
  }
  if (std::memcmp(activations->data(), others->data(), kTokens * kStride) != 0) return false;
  for (int type = 0; type < kTypes; ++type) {
    if (table.dot_q8[type] == nullptr) continue;
    LinearTask task{};
    task.row_bytes = row_bytes(static_cast<DType>(type), kQ8Columns);
    task.columns = kQ8Columns;
    task.activations = activations->data();
    task.activation_stride = kStride;
    task.tokens = kTokens;
    const std::vector<uint16_t> rows = made_up_rows(kRows * task.row_bytes, random);
    task.weights = rows.data();
    if (!agree(products(table.dot_q8[type], task, scratch->data()),
               products(trusted.dot_q8[type], task, scratch->data())) ||
        !agree(products(table.panel_q8[type], task, scratch->data()),
               products(trusted.panel_q8[type], task, scratch->data()))) {
      return false;
    }
  }
  return true;
}

}  // namespace issun::kernels
