#include <doctest/doctest.h>

#include "kernels/testing.h"

using namespace issun;
using namespace issun::kernels;
using namespace issun::kernels::testing;

namespace {

constexpr DType kCacheTypes[] = {DType::F32,  DType::F16,  DType::BF16, DType::Q8_0,  DType::Q5_1,
                                 DType::Q5_0, DType::Q4_1, DType::Q4_0, DType::IQ4_NL};

struct Setup {
  DType key_type, value_type;
  int key_width, value_width, page_tokens, positions, rows;
  float softcap = 0;
  bool sinks = false;
  int window = 0;
};

int whole_blocks(DType type, int columns) {
  return (columns + facts(type).block - 1) / facts(type).block * facts(type).block;
}

// Random rows as a cache holds them: the codec's blocks, filled up with zeros; values have
// `columns` a row.
Weights cache_rows(DType type, int rows, int columns, std::mt19937& random) {
  const int stored = whole_blocks(type, columns);
  const std::vector<float> numbers = random_floats(int64_t{rows} * columns, random, 0.05f);
  Weights w{type, rows, columns, {}, {}};
  w.bytes.resize(static_cast<size_t>(rows * row_bytes(type, stored)) + 2);
  std::vector<float> row(static_cast<size_t>(stored)), decoded(row);
  for (int r = 0; r < rows; ++r) {
    std::copy_n(numbers.data() + int64_t{r} * columns, columns, row.data());
    std::byte* to = w.bytes.data() + 2 + r * row_bytes(type, stored);
    encode_row(type, row.data(), stored, to);
    decode_row(type, to, stored, decoded.data());
    w.values.insert(w.values.end(), decoded.begin(), decoded.begin() + columns);
  }
  return w;
}

// Keys, values and queries of one setup, and both what a kernel and what double precision makes of
// them.
struct Problem {
  Setup s;
  Weights keys, values;
  std::vector<float> queries, sinks;
  std::vector<int> begin, end;
  std::vector<std::vector<std::byte>> pages;
  std::vector<const void*> key_pages, value_pages;

  Problem(const Setup& setup, std::mt19937& random) : s(setup) {
    keys = cache_rows(s.key_type, s.positions, s.key_width, random);
    values = cache_rows(s.value_type, s.positions, s.value_width, random);
    queries = random_floats(int64_t{s.rows} * s.key_width, random, 20);
    sinks = random_floats(s.rows, random);
    for (int r = 0; r < s.rows; ++r) {  // the last rows see everything
      end.push_back(std::max(1, s.positions - (s.rows - 1 - r) / 2));
      begin.push_back(s.window > 0 ? std::max(0, end.back() - s.window) : 0);
    }
    const int page_count = (s.positions + s.page_tokens - 1) / s.page_tokens;
    pages.reserve(static_cast<size_t>(2 * page_count));
    for (int p = 0; p < page_count; ++p) {
      key_pages.push_back(add_page(keys, p));
      value_pages.push_back(add_page(values, p));
    }
  }

  const void* add_page(const Weights& rows, int page) {
    const int64_t bytes = row_bytes(rows.type, whole_blocks(rows.type, rows.columns));
    std::vector<std::byte> memory(static_cast<size_t>(bytes * s.page_tokens));
    const int first = page * s.page_tokens, count = std::min(s.page_tokens, s.positions - first);
    std::memcpy(memory.data(), rows.data() + first * bytes, static_cast<size_t>(count * bytes));
    pages.push_back(std::move(memory));
    return pages.back().data();
  }

  std::vector<float> run(const KernelTable& table, int first, int count) const {
    const auto scratch =
        AlignedBuffer::create(table.attention_scratch_bytes(s.key_width, s.value_width));
    std::vector<float> out(static_cast<size_t>(count) * static_cast<size_t>(s.value_width), NAN);
    AttentionTask task{};
    task.queries = queries.data() + int64_t{first} * s.key_width;
    task.query_stride = s.key_width;
    task.rows = count;
    task.key_width = s.key_width;
    task.value_width = s.value_width;
    task.key_pages = key_pages.data();
    task.value_pages = value_pages.data();
    task.page_tokens = s.page_tokens;
    task.visible_begin = begin.data() + first;
    task.visible_end = end.data() + first;
    task.scale = 0.125f;
    task.softcap = s.softcap;
    task.sinks = s.sinks ? sinks.data() + first : nullptr;
    task.out = out.data();
    task.out_stride = s.value_width;
    task.key_type = static_cast<int>(s.key_type);
    task.value_type = static_cast<int>(s.value_type);
    table.attention(&task, scratch->data());
    return out;
  }

  double worst_error(const std::vector<float>& out) const {
    double worst = 0;
    for (int r = 0; r < s.rows; ++r) {
      std::vector<double> scores;
      double top = s.sinks ? double{sinks[static_cast<size_t>(r)]} : -1e300;
      for (int p = begin[static_cast<size_t>(r)]; p < end[static_cast<size_t>(r)]; ++p) {
        double x =
            dot_exactly(keys.row(p), queries.data() + int64_t{r} * s.key_width, s.key_width).value *
            0.125;
        if (s.softcap != 0) x = double{s.softcap} * std::tanh(x / double{s.softcap});
        scores.push_back(x);
        top = std::max(top, x);
      }
      double total = s.sinks ? std::exp(double{sinks[static_cast<size_t>(r)]} - top) : 0;
      for (double& x : scores) total += x = std::exp(x - top);
      for (int c = 0; c < s.value_width; ++c) {
        double expected = 0;
        for (size_t p = 0; p < scores.size(); ++p)
          expected += scores[p] / total *
                      double{values.row(begin[static_cast<size_t>(r)] + static_cast<int>(p))[c]};
        const double error =
            std::fabs(double{out[static_cast<size_t>(r * s.value_width + c)]} - expected);
        worst = std::max(worst, error >= 0 ? error : 1e9);
      }
    }
    return worst;
  }
};

// Scores of size 10 carry rounding errors of some 1e-6, values are of size 0.2.
constexpr double kTolerance = 2e-6;

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
    for (const KernelTable* table : available_kernels()) {
      INFO(std::string(table->name)
           << " " << std::string(name(s.key_type)) << " " << std::string(name(s.value_type))
           << " width " << s.key_width << " positions " << s.positions);
      const std::vector<float> whole = problem.run(*table, 0, s.rows);
      CHECK(problem.worst_error(whole) <= kTolerance);
      const auto width = static_cast<size_t>(s.value_width);
      for (int step : {1, 4, 7})
        for (int r = 0; r < s.rows; r += step) {
          const int count = std::min(step, s.rows - r);
          const std::vector<float> part = problem.run(*table, r, count);
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
      CHECK(a.run(*table, 0, 8) == b.run(*table, 0, 8));
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
