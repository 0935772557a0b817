// Truth: plain loops in double precision, and each other: every instruction set has the same bits.
#include "kernels/search.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

using namespace issun;
using namespace issun::kernels;

namespace {

struct Data {
  alignas(64) float x[256], weights[256];
  explicit Data(uint32_t seed) {
    std::mt19937 random(seed);
    // Nearly normal, and the same numbers with every standard library.
    const auto normal = [&] {
      float sum = -6;
      for (int i = 0; i < 12; ++i) sum += static_cast<float>(random() >> 8) * 0x1p-24f;
      return sum;
    };
    for (int i = 0; i < 256; ++i) {
      x[i] = normal();
      weights[i] = std::exp(normal());
    }
  }
  Group group(int n) const { return {x, weights, n}; }
};

constexpr Levels kLevels = {4, {-3, -1, 2, 5}, {-2, 0.5f, 3.5f}};
constexpr float kInverses[] = {2.5f, 3, 3.5f, -4};

double error_by_hand(const Group& group, const std::vector<float>& codes, double scale,
                     double offset) {
  double error = 0;
  for (int i = 0; i < group.n; ++i) {
    double least = 1e300;
    for (const double code : codes) {
      const double off = static_cast<double>(group.x[i]) - offset - scale * code;
      least = std::min(least, off * off);
    }
    error += static_cast<double>(group.weights[i]) * least;
  }
  return error;
}

std::vector<float> codes_of(const Range& range) {
  std::vector<float> codes;
  for (float code = range.lowest; code <= range.highest; ++code) codes.push_back(code);
  return codes;
}

bool same_bits(float a, float b) { return std::memcmp(&a, &b, 4) == 0; }

}  // namespace

TEST_CASE("errors are those of the nearest codes") {
  const Data data(1);
  const Range range = {-4, 3};
  for (const SearchTable* table : available_searches()) {
    CAPTURE(std::string(table->name));
    for (const int n : {16, 32, 256}) {
      const Group group = data.group(n);
      const double expected = error_by_hand(group, codes_of(range), 0.3, -0.1);
      CHECK(table->error_range(&group, &range, {0.3f, -0.1f}) ==
            doctest::Approx(expected).epsilon(1e-5));
      const double of_levels = error_by_hand(group, {-3, -1, 2, 5}, -0.4, 0);
      CHECK(table->error_levels(&group, &kLevels, -0.4f) ==
            doctest::Approx(of_levels).epsilon(1e-5));
      int8_t codes[256];
      table->round_levels(&group, &kLevels, -0.4f, codes);
      double error = 0;
      for (int i = 0; i < n; ++i) {
        const double off =
            static_cast<double>(data.x[i]) + 0.4 * static_cast<double>(kLevels.values[codes[i]]);
        error += static_cast<double>(data.weights[i]) * off * off;
      }
      CHECK(error == doctest::Approx(of_levels).epsilon(1e-5));
    }
  }
}

TEST_CASE("a scale that was fitted cannot be bettered by a small step") {
  const Data data(2);
  const Range range = {-8, 7};
  for (const SearchTable* table : available_searches()) {
    CAPTURE(std::string(table->name));
    const Group group = data.group(32);
    const float scale = table->fit_range(&group, &range, kInverses, 4, 8);
    const float least = table->error_range(&group, &range, {scale, 0});
    for (const float factor : {0.999f, 1.001f})
      CHECK(table->error_range(&group, &range, {scale * factor, 0}) >= least);
    const float tried[] = {14, 15, 15.5f};
    const Line line = table->fit_line(&group, 15, tried, 3, 8, false);
    const Range codes = {0, 15};
    const float of_line = table->error_range(&group, &codes, line);
    for (const float step : {-0.001f, 0.001f}) {
      CHECK(table->error_range(&group, &codes, {line.scale * (1 + step), line.offset}) >= of_line);
      CHECK(table->error_range(&group, &codes, {line.scale, line.offset + step}) >= of_line);
    }
  }
}

TEST_CASE("a line whose offset must not be above zero has none above zero") {
  Data data(3);
  for (float& x : data.x) x = 5 + std::fabs(x);
  const Group group = data.group(16);
  const float tried[] = {3};
  for (const SearchTable* table : available_searches()) {
    CHECK(table->fit_line(&group, 3, tried, 1, 4, true).offset <= 0);
    CHECK(table->fit_line(&group, 3, tried, 1, 4, false).offset > 0);
  }
}

TEST_CASE(
    "the least over a codebook is that of a loop, with the signs as they are and one turned") {
  const Data data(4);
  constexpr int kCount = 64;
  std::mt19937 random(5);
  for (const int width : {4, 8}) {
    alignas(64) int8_t values[8 * kCount];
    for (int8_t& value : values) value = static_cast<int8_t>(1 + random() % 60);
    float x[8];
    for (int i = 0; i < 8; ++i) x[i] = std::fabs(data.x[i]);
    const Entries entries = {values, kCount, width};
    constexpr float kScales[] = {0.01f, 0.02f, 0.03f, 0.05f, 0.08f};
    double least[5], turned[5];
    std::fill_n(least, 5, 1e300);
    std::fill_n(turned, 5, 1e300);
    for (int e = 0; e < kCount; ++e) {
      for (int k = 0; k < 5; ++k) {
        double error = 0, cheapest = 1e300;
        for (int i = 0; i < width; ++i) {
          const double w = data.weights[i], g = values[i * kCount + e], s = kScales[k];
          const double off = static_cast<double>(x[i]) - s * g,
                       wrong = static_cast<double>(x[i]) + s * g;
          error += w * off * off - w * static_cast<double>(x[i]) * static_cast<double>(x[i]);
          cheapest = std::min(cheapest, w * (wrong * wrong - off * off));
        }
        least[k] = std::min(least[k], error);
        turned[k] = std::min(turned[k], error + cheapest);
      }
    }
    for (const SearchTable* table : available_searches()) {
      CAPTURE(std::string(table->name));
      alignas(64) float products[kCount], flipped[kCount], squares[kCount];
      const EntryTerms terms = {products, flipped, squares};
      table->entry_terms(&entries, x, data.weights, &terms);
      float found[5];
      table->least_terms(products, squares, kCount, kScales, 5, found);
      for (int k = 0; k < 5; ++k)
        CHECK(static_cast<double>(found[k]) == doctest::Approx(least[k]).epsilon(1e-4));
      table->least_terms(flipped, squares, kCount, kScales, 5, found);
      for (int k = 0; k < 5; ++k)
        CHECK(static_cast<double>(found[k]) == doctest::Approx(turned[k]).epsilon(1e-4));
    }
  }
}

TEST_CASE("sixteen groups side by side are each what one is by itself") {
  constexpr int kSize = 32;
  alignas(64) float x[16 * kSize], weights[16 * kSize], lanes_x[16 * kSize], lanes_w[16 * kSize];
  for (uint32_t g = 0; g < 16; ++g) {
    const Data data(100 + g);
    std::copy_n(data.x, kSize, x + g * kSize);
    std::copy_n(data.weights, kSize, weights + g * kSize);
  }
  std::fill_n(x + 5 * kSize, kSize, 0.0f);  // a group of zeros
  const Range range = {-8, 7}, codes = {0, 15};
  const float tried[] = {14, 15, 15.5f}, numerators[] = {-8, 7, -8.5f};
  for (const SearchTable* table : available_searches()) {
    CAPTURE(std::string(table->name));
    table->side_by_side(x, kSize, lanes_x);
    table->side_by_side(weights, kSize, lanes_w);
    const Groups groups = {lanes_x, lanes_w, kSize};
    Lines lines, scales = {};
    table->fit_lines(&groups, 15, tried, 3, 2, &lines);
    table->fit_ranges(&groups, &range, numerators, 3, 2, scales.scales);
    float line_errors[16], range_errors[16], level_errors[16];
    CodeSums sums;
    table->errors_of_range(&groups, &codes, &lines, line_errors);
    table->errors_of_range(&groups, &range, &scales, range_errors);
    table->sums_of_range(&groups, &range, &scales, &sums);
    Lines of_levels = {};
    std::fill_n(of_levels.scales, 16, 0.4f);
    table->errors_of_levels(&groups, &kLevels, &of_levels, level_errors);
    for (int g = 0; g < 16; ++g) {
      CAPTURE(g);
      const Group group = {x + g * kSize, weights + g * kSize, kSize};
      const auto near = [&](float a, float b) {
        CHECK(a == doctest::Approx(static_cast<double>(b)).epsilon(1e-4));
      };
      near(line_errors[g], table->error_range(&group, &codes, {lines.scales[g], lines.offsets[g]}));
      near(range_errors[g], table->error_range(&group, &range, {scales.scales[g], 0}));
      near(level_errors[g], table->error_levels(&group, &kLevels, 0.4f));
      CHECK(lines.offsets[g] <= 0);
      // As good as the group searched by itself.
      const Line alone = table->fit_line(&group, 15, tried, 3, 2, true);
      CHECK(line_errors[g] <= table->error_range(&group, &codes, alone) * 1.05f);
      if (g == 5) {
        CHECK(scales.scales[g] == 0);
        continue;
      }
      // The least squares of the codes is the scale that was found.
      CHECK(sums.xq[g] / sums.qq[g] ==
            doctest::Approx(static_cast<double>(scales.scales[g])).epsilon(0.02));
    }
  }
}

TEST_CASE("every instruction set finds the same bits") {
  const auto tables = available_searches();
  const SearchTable* plain = tables.front();
  const Range range = {-4, 3};
  for (uint32_t seed = 10; seed < 60; ++seed) {
    const Data data(seed);
    for (const SearchTable* table : tables) {
      const Group group = data.group(seed % 2 == 0 ? 16 : 32);
      CHECK(same_bits(table->fit_range(&group, &range, kInverses, 4, 4),
                      plain->fit_range(&group, &range, kInverses, 4, 4)));
      CHECK(same_bits(table->fit_levels(&group, &kLevels, kInverses, 4, 4),
                      plain->fit_levels(&group, &kLevels, kInverses, 4, 4)));
      const Line line = table->fit_line(&group, 7, kInverses, 3, 4, true);
      const Line expected = plain->fit_line(&group, 7, kInverses, 3, 4, true);
      CHECK(same_bits(line.scale, expected.scale));
      CHECK(same_bits(line.offset, expected.offset));
      CHECK(same_bits(table->error_range(&group, &range, {0.37f, 0.02f}),
                      plain->error_range(&group, &range, {0.37f, 0.02f})));
    }
  }
}
