// What the tests of attention share: keys, values and queries, and what double precision makes of
// them.
#pragma once

#include <algorithm>
#include <initializer_list>

#include "kernels/testing.h"

namespace issun::kernels::testing {

constexpr DType kCacheTypes[] = {DType::F32,  DType::F16,  DType::BF16, DType::Q8_0,  DType::Q5_1,
                                 DType::Q5_0, DType::Q4_1, DType::Q4_0, DType::IQ4_NL};

struct Setup {
  DType key_type, value_type;
  int key_width, value_width, page_tokens, positions, rows;
  float softcap = 0;
  bool sinks = false;
  int window = 0;
  bool slopes = false;
};

inline int whole_blocks(DType type, int columns) {
  return (columns + facts(type).block - 1) / facts(type).block * facts(type).block;
}

// Random rows as a cache holds them: the codec's blocks, filled up with zeros; values have
// `columns` a row.
inline Weights cache_rows(DType type, int rows, int columns, std::mt19937& random) {
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
  static constexpr int64_t kGuard = 256;
  Setup s;
  Weights keys, values;
  std::vector<float> queries, sinks, slopes;
  std::vector<int> begin, end, positions;
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
      positions.push_back(end.back() - 1);
      slopes.push_back(0.01f * static_cast<float>(1 + r % 5));
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

  std::vector<float> run(const AttentionKernels& attention, int first, int count,
                         bool exact = true) const {
    // What was there before matters as little as what lies behind, which stays as it is.
    const int64_t bytes = attention.scratch_bytes(s.key_width, s.value_width);
    const auto scratch = AlignedBuffer::create(bytes + kGuard);
    std::memset(scratch->data(), 0xff, static_cast<size_t>(bytes + kGuard));
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
    task.exact = exact;
    task.softcap = s.softcap;
    task.sinks = s.sinks ? sinks.data() + first : nullptr;
    task.slopes = s.slopes ? slopes.data() + first : nullptr;
    task.positions = positions.data() + first;
    task.out = out.data();
    task.out_stride = s.value_width;
    task.key_type = static_cast<int>(s.key_type);
    task.value_type = static_cast<int>(s.value_type);
    attention.attend(&task, scratch->data());
    const auto untouched = [](std::byte byte) { return byte == std::byte{0xff}; };
    REQUIRE(std::all_of(scratch->data() + bytes, scratch->data() + bytes + kGuard, untouched));
    return out;
  }

  // Rows by `step` at a time have the bits that they have in `whole`, which is all of them.
  void check_parts(const AttentionKernels& attention, const std::vector<float>& whole, int step,
                   bool exact) const {
    const auto width = static_cast<size_t>(s.value_width);
    for (int r = 0; r < s.rows; r += step) {
      const int count = std::min(step, s.rows - r);
      const std::vector<float> part = run(attention, r, count, exact);
      CHECK(std::memcmp(part.data(), whole.data() + static_cast<size_t>(r) * width,
                        part.size() * sizeof(float)) == 0);
    }
  }

  // All rows are right within the tolerance, and have the bits that they have some at a time.
  void check(const AttentionKernels& attention, double tolerance,
             std::initializer_list<int> steps) const {
    const std::vector<float> whole = run(attention, 0, s.rows, false);
    CHECK(worst_error(whole) <= tolerance);
    for (const int step : steps) check_parts(attention, whole, step, false);
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
        if (s.slopes)
          x -= double{slopes[static_cast<size_t>(r)]} * (positions[static_cast<size_t>(r)] - p);
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

}  // namespace issun::kernels::testing
