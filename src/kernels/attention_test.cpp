#include <doctest/doctest.h>

#include <bit>

#include "kernels/attention.h"
#include "kernels/attention_testing.h"

using namespace issun;
using namespace issun::kernels;
using namespace issun::kernels::testing;

namespace {

// Scores of size 10 carry rounding errors of some 1e-6, values are of size 0.2.
constexpr double kTolerance = 2e-6;

// Where caches stay bytes, the numbers of a query of up to 80 are multiples of 80 / 16256, and so
// are weights of values of up to 0.15 of the largest in a tile of 64. Such errors have a standard
// deviation of a step / sqrt(12); three times that of a score meets values that differ by 0.05.
double byte_tolerance(const Setup& s) {
  const double step = 1 / 16256.0 / std::sqrt(12.0);
  const double score = 80 * step * 0.05 * std::sqrt(s.key_width) * 0.125;
  return kTolerance + 3 * score * 0.05 + 0.15 * step * std::sqrt(64.0);
}

// In words, the numbers of a query and of a key are multiples of their length / 46000, values of
// their largest / 8190, and the 64 weights of a tile of their length / 32750, here that of a row
// which sees one value well. Errors have a standard deviation of a step / sqrt(12).
double word_tolerance(const Setup& s) {
  const double length = std::sqrt(s.key_width);  // queries of size 20, keys of 0.05
  const double score = 20 * length / 46000 * 0.05 * length * 0.125 * std::sqrt(2.0);
  const double value = 0.25 / 8190, weight = 8 * 0.05 / 32750;
  return kTolerance + 4 / std::sqrt(12.0) * (score * 0.05 + value + weight);
}

bool stays_bytes(const KernelTable& table, const Setup& s) {
  return table.byte_caches && (facts(s.key_type).block > 1 || facts(s.value_type).block > 1);
}

// Those that a table has.
std::vector<AttentionKernels> ways(const KernelTable& table, bool exact) {
  std::vector<AttentionKernels> all = {table.attention};
  if (!exact && table.attention_in_words.attend != nullptr) all.push_back(table.attention_in_words);
  return all;
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
      {DType::Q5_1, DType::IQ4_NL, 576, 512, 48, 70, 5},
      {DType::Q4_0, DType::Q4_1, 5, 7, 3, 70, 9},
      {DType::IQ4_NL, DType::Q5_0, 192, 128, 16, 90, 6},
      {DType::Q8_0, DType::Q4_0, 64, 64, 16, 300, 20, 5.0f},
      {DType::Q4_1, DType::Q8_0, 64, 64, 16, 300, 20, 0, true},
      {DType::Q5_0, DType::Q5_1, 64, 64, 16, 400, 110, 0, false, 70},
      {DType::F16, DType::F16, 64, 64, 16, 200, 9, 0, false, 0, true},
      {DType::Q8_0, DType::IQ4_NL, 64, 64, 16, 200, 9, 0, false, 0, true},
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
        const std::vector<float> whole = problem.run(table->attention, 0, s.rows, exact);
        if (exact || stays_bytes(*table, s))
          CHECK(problem.worst_error(whole) <= (exact ? kTolerance : byte_tolerance(s)));
        else
          CHECK(whole == problem.run(table->attention, 0, s.rows, true));
        for (int step : {1, 4, 7}) problem.check_parts(table->attention, whole, step, exact);
      }
  }
}

TEST_CASE("Attention in words is right, and a row's bits are those of the row alone") {
  std::mt19937 random(26);
  std::vector<Setup> setups = {
      {DType::F32, DType::F32, 64, 64, 16, 200, 70},
      {DType::BF16, DType::BF16, 128, 128, 64, 64, 4},
      {DType::F16, DType::F16, 80, 80, 16, 65, 5},
      {DType::F16, DType::F16, 5, 7, 3, 70, 9},
      {DType::F16, DType::F32, 192, 128, 16, 90, 6},
      {DType::F16, DType::F16, 64, 64, 16, 1, 1},
      {DType::F16, DType::F16, 64, 64, 16, 300, 20, 5.0f},
      {DType::F16, DType::F16, 64, 64, 16, 300, 20, 0, true},
      {DType::F16, DType::F16, 64, 64, 16, 600, 410, 0, false, 70},
      {DType::F16, DType::F16, 64, 64, 16, 200, 40, 0, false, 0, true},
      {DType::Q8_0, DType::Q4_0, 576, 512, 64, 70, 9},
      {DType::Q4_0, DType::Q8_0, 5, 7, 3, 70, 9},
  };
  for (const DType type : kCacheTypes) setups.push_back({type, type, 96, 40, 64, 131, 50});
  for (const Setup& s : setups) {
    const Problem problem(s, random);
    for (const KernelTable* table : available_kernels()) {
      const AttentionKernels& words = table->attention_in_words;
      if (words.attend == nullptr) continue;
      INFO(std::string(table->name) << " " << std::string(name(s.key_type)) << " width "
                                    << s.key_width << " positions " << s.positions);
      problem.check(words, word_tolerance(s), {1, 7, 33});
    }
  }
}

TEST_CASE("Sums of words are exact where all numbers are as large as they can be") {
  std::mt19937 random(27);
  for (const int width : {32, 64, 576}) {
    const Setup s{DType::F16, DType::F16, width, width, 64, 128, 40};
    Problem problem(s, random);
    const uint16_t one = 0x3c00;  // in F16
    for (std::vector<std::byte>& page : problem.pages)
      for (size_t i = 0; i + 1 < page.size(); i += 2) std::memcpy(page.data() + i, &one, 2);
    std::fill(problem.queries.begin(), problem.queries.end(), 1.0f);
    for (const KernelTable* table : available_kernels()) {
      if (table->attention_in_words.attend == nullptr) continue;
      for (const float x : problem.run(table->attention_in_words, 0, s.rows, false))
        CHECK(x == doctest::Approx(1.0f).epsilon(1e-4));
    }
  }
}

TEST_CASE("Words of values that are next to nothing, and of rows that see next to nothing") {
  std::mt19937 random(28);
  const Setup s{DType::BF16, DType::BF16, 64, 64, 64, 100, 40};
  for (const float size : {1e-14f, 1e-17f, 1e-19f, 1e-22f, 1e-30f, 0.0f}) {
    Problem problem(s, random);
    for (size_t page = 1; page < problem.pages.size(); page += 2)  // of values
      for (size_t i = 0; i + 1 < problem.pages[page].size(); i += 2) {
        const uint32_t bits = std::bit_cast<uint32_t>(i % 3 == 0 ? -size : size);
        std::memcpy(problem.pages[page].data() + i, reinterpret_cast<const char*>(&bits) + 2, 2);
      }
    std::memset(problem.pages[1].data(), 0, 128);  // the value of the first position is none
    for (const KernelTable* table : available_kernels()) {
      if (table->attention_in_words.attend == nullptr) continue;
      for (const float x : problem.run(table->attention_in_words, 0, s.rows, false))
        CHECK(std::fabs(x) <= 1.01f * size);
    }
  }
}

TEST_CASE("Queries and scales of a cache at their extremes: numbers stay right, others are seen") {
  std::mt19937 random(24);
  const auto finite = [](const std::vector<float>& row) {
    return std::all_of(row.begin(), row.end(), [](float x) { return std::isfinite(x); });
  };
  for (const DType type : kCacheTypes) {
    const Setup s{type, type, 64, 64, 64, 100, 6};
    Problem problem(s, random);
    const auto query = [&](int row) { return problem.queries.begin() + 64 * row; };
    std::fill_n(query(1), 64, 0.0f);
    std::fill_n(query(2), 64, 1e-36f);
    query(3)[5] = 3000;  // the others are lost beside it where they become integers, it is not
    query(4)[60] = NAN;
    query(5)[0] = -INFINITY;
    for (const KernelTable* table : available_kernels())
      for (const bool exact : {true, false}) {
        INFO(std::string(table->name) << " " << std::string(name(type)) << " exact " << exact);
        for (const AttentionKernels& way : ways(*table, exact)) {
          for (int row = 0; row < 6; ++row)
            CHECK(finite(problem.run(way, row, 1, exact)) == (row < 4));
          Problem good = problem;
          good.queries.resize(64 * 3);
          good.s.rows = 3;
          const std::vector<float> out = good.run(way, 0, 3, exact);
          CHECK(good.worst_error(out) <= (exact ? kTolerance : byte_tolerance(s)));
        }
      }
  }
}

TEST_CASE("A value that a cache cannot hold is no number for the rows of its tile") {
  std::mt19937 random(25);
  for (const DType type : kCacheTypes) {
    if (facts(type).block == 1) continue;
    const Setup s{DType::F16, type, 64, 64, 64, 100, 2};
    Problem problem(s, random);
    const uint16_t infinite = 0x7c00;
    std::memcpy(problem.pages[1].data(), &infinite, 2);  // the scale of position 0
    for (const KernelTable* table : available_kernels())
      for (const bool exact : {true, false}) {
        INFO(std::string(table->name) << " " << std::string(name(type)) << " exact " << exact);
        for (const AttentionKernels& way : ways(*table, exact)) {
          const std::vector<float> out = problem.run(way, 0, 2, exact);
          CHECK(!std::isfinite(out[0]));
          CHECK(std::isfinite(out[40]));
        }
      }
  }
}

TEST_CASE("Many rows of a text attend in words, unless exact or with a cache of F32") {
  for (const KernelTable* table : available_kernels()) {
    if (table->tiles != nullptr) continue;
    const bool has = table->attention_in_words.attend != nullptr;
    const auto in_words = [&](DType keys, DType values, bool exact, int64_t rows) {
      const AttentionUse use{keys, values, DType::Q4_K, exact, 512, rows};
      return &attention_for(*table, use) == &table->attention_in_words;
    };
    CHECK(in_words(DType::F16, DType::F16, false, kLeastRowsOfFloats) == has);
    CHECK(in_words(DType::Q8_0, DType::Q4_0, false, kLeastRowsOfBlocks) == has);
    CHECK(in_words(DType::BF16, DType::Q4_0, false, kLeastRowsOfBlocks) == has);
    CHECK(!in_words(DType::F16, DType::F16, false, kLeastRowsOfFloats - 1));
    CHECK(!in_words(DType::F16, DType::Q8_0, false, kLeastRowsOfBlocks - 1));
    CHECK(!in_words(DType::F16, DType::F16, true, 512));
    CHECK(!in_words(DType::F16, DType::F32, false, 512));
    CHECK(!in_words(DType::F32, DType::F16, false, 512));
    CHECK(same_attention(*table, false, 1, kLeastRowsOfFloats - 1));
    CHECK(same_attention(*table, false, 1, kLeastRowsOfFloats) == !has);
    CHECK(same_attention(*table, false, kLeastRowsOfFloats, kLeastRowsOfBlocks) == !has);
    CHECK(same_attention(*table, true, 1, kLeastRowsOfBlocks));
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
        for (const AttentionKernels& way : ways(*table, exact))
          CHECK(a.run(way, 0, 8, exact) == b.run(way, 0, 8, exact));
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
