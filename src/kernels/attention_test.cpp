#include <doctest/doctest.h>

#include "kernels/attention_testing.h"

using namespace issun;
using namespace issun::kernels;
using namespace issun::kernels::testing;

namespace {

// Scores of size 10 carry rounding errors of some 1e-6, values are of size 0.2. Where caches of
// blocks are multiplied as bytes, queries and weights have errors of 2^-15.
constexpr double kTolerance = 2e-6, kByteTolerance = 3e-5;

Attention plain(const KernelTable& table) {
  return {table.attention, table.attention_scratch_bytes};
}

}  // namespace

TEST_CASE("Attention agrees with double precision, and a row's bits with the row alone") {
  std::mt19937 random(21);
  const DType f32 = DType::F32, f16 = DType::F16, bf16 = DType::BF16;
  std::vector<Setup> setups = {
      {f32, f32, 64, 64, 16, 200, 13},
      {f16, f16, 64, 64, 32, 131, 101},
      {bf16, bf16, 128, 128, 64, 64, 4},
      {f16, f16, 80, 80, 16, 65, 5},
      {f32, f32, 5, 7, 3, 70, 9},
      {f16, f32, 192, 128, 16, 90, 6},
      {f16, f16, 64, 64, 16, 1, 1},
      {f16, f16, 64, 64, 16, 300, 20, 5.0f},
      {f32, f32, 64, 64, 16, 300, 20, 0, true},
      {f16, f16, 64, 64, 16, 400, 110, 0, false, 70},
      // The widths of heads that there are, beside which blocks of 32 end or do not.
      {DType::Q8_0, DType::Q8_0, 8, 8, 64, 150, 9},
      {DType::Q4_0, DType::Q4_0, 40, 40, 64, 150, 9},
      {DType::Q4_1, DType::Q5_1, 80, 112, 64, 150, 9},
      {DType::Q8_0, DType::Q4_0, 576, 512, 64, 70, 9},
  };
  for (const DType key : kCacheTypes)
    for (const DType value : kCacheTypes) {
      setups.push_back({key, value, 64, 64, 64, 200, 3});
      if (key == value) setups.push_back({key, value, 96, 96, 64, 131, 30});
    }
  for (const Setup& s : setups) {
    const Problem problem(s, random);
    for (const KernelTable* table : available_kernels())
      for (const bool exact : {true, false}) {
        INFO(std::string(table->name)
             << " " << std::string(name(s.key_type)) << " " << std::string(name(s.value_type))
             << " width " << s.key_width << " positions " << s.positions << " exact " << exact);
        const std::vector<float> whole = problem.run(plain(*table), 0, s.rows, exact);
        CHECK(problem.worst_error(whole) <= (exact ? kTolerance : kByteTolerance));
        const auto width = static_cast<size_t>(s.value_width);
        for (int step : {1, 4, 7})
          for (int r = 0; r < s.rows; r += step) {
            const int count = std::min(step, s.rows - r);
            const std::vector<float> part = problem.run(plain(*table), r, count, exact);
            CHECK(std::memcmp(part.data(), whole.data() + static_cast<size_t>(r) * width,
                              part.size() * sizeof(float)) == 0);
          }
      }
  }
}

TEST_CASE("Attention does not depend on the length of a page") {
  std::mt19937 random(22);
  for (const DType type : {DType::F16, DType::Q5_0}) {
    Setup s{type, type, 64, 64, 16, 150, 8};
    std::mt19937 same = random;
    const Problem a(s, random);
    s.page_tokens = 48;
    const Problem b(s, same);
    for (const KernelTable* table : available_kernels())
      for (const bool exact : {true, false})
        CHECK(a.run(plain(*table), 0, 8, exact) == b.run(plain(*table), 0, 8, exact));
  }
}

TEST_CASE("Rows for a cache have the bytes that the codec writes, filled up with zeros") {
  std::mt19937 random(23);
  for (const DType type : kCacheTypes) {
    for (const int n : {1, 8, 31, 32, 40, 64, 80, 96, 112, 300}) {
      const int stored = whole_blocks(type, n);
      const auto bytes = static_cast<size_t>(row_bytes(type, stored));
      for (int round = 0; round < 40; ++round) {
        std::vector<float> row = random_floats(n, random, round % 4 == 0 ? 1e-6f : 3);
        for (float& x : row) {
          if (round % 4 == 1) x = std::round(x);  // ties, and equal extremes
          if (round % 4 == 2) x = std::fabs(x);   // nothing below zero
          if (round == 39) x = 0;                 // nothing at all
        }
        std::vector<float> filled = row;
        filled.resize(static_cast<size_t>(stored));
        std::vector<std::byte> expected(bytes);
        encode_row(type, filled.data(), stored, expected.data());
        for (const KernelTable* table : available_kernels()) {
          INFO(std::string(table->name)
               << " " << std::string(name(type)) << " width " << n << " round " << round);
          std::vector<std::byte> found(bytes);
          table->encode_row[static_cast<size_t>(type)](row.data(), n, found.data());
          CHECK(found == expected);
        }
      }
    }
  }
}
