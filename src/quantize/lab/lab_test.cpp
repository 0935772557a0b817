// Truth: published distortions, closed forms, and brute force on small cases.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "quantize/lab/codebook.h"
#include "quantize/lab/grid.h"
#include "quantize/lab/moments.h"
#include "quantize/lab/range.h"
#include "tensor/half.h"

namespace issun::quantize::lab {

namespace {

template <class Distribution>
std::vector<float> drawn(size_t n, Distribution distribution, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<float> values(n);
  for (float& x : values) x = static_cast<float>(distribution(random));
  return values;
}

std::vector<float> normal_values(size_t n, uint32_t seed = 1) {
  return drawn(n, std::normal_distribution<double>(0, 1), seed);
}

double mean_square(std::span<const float> values) {
  double sum = 0;
  for (const float x : values) sum += static_cast<double>(x) * x;
  return sum / static_cast<double>(values.size());
}

}  // namespace

TEST_CASE("Lloyd-Max levels of normal values have the published distortions") {
  const std::vector<float> values = normal_values(200000);
  const SortedValues sorted(values, {});
  // Max 1960, table I: mean squared error of N levels for unit variance.
  const std::pair<int, double> published[] = {{2, 0.3634},  {3, 0.1902},    {4, 0.1175},
                                              {8, 0.03454}, {16, 0.009497}, {32, 0.002499}};
  for (const auto& [levels, distortion] : published) {
    const auto& which = levels;
    INFO(which << " levels");
    const Codebook book = lloyd_max(sorted, levels, 1);
    CHECK(book.levels.size() == static_cast<size_t>(levels));
    CHECK(std::is_sorted(book.levels.begin(), book.levels.end()));
    // The sample's own variance, and 1 % for the rest of sampling.
    CHECK(book.mean_square_error ==
          doctest::Approx(distortion * mean_square(values)).epsilon(0.01));
    CHECK(lloyd_max(sorted, levels, 1).levels == book.levels);
  }
  CHECK(lloyd_max(sorted, 2, 1).levels[1] == doctest::Approx(std::sqrt(2 / M_PI)).epsilon(0.01));
}

TEST_CASE("A codebook's error is that of rounding to the nearest level") {
  std::vector<float> values = normal_values(5000);
  std::vector<float> weights = drawn(5000, std::exponential_distribution<double>(1), 2);
  const Codebook book = lloyd_max(SortedValues(values, weights), 8, 3);
  double error = 0, weight = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    float least = INFINITY;
    for (const float level : book.levels) least = std::min(least, std::fabs(level - values[i]));
    error += weights[i] * static_cast<double>(least) * least;
    weight += weights[i];
  }
  CHECK(book.mean_square_error == doctest::Approx(error / weight).epsilon(1e-4));
}

TEST_CASE("As many levels as there are different values lose nothing") {
  const std::vector<float> values = {3, -1, 2, 2, -1, 3, 3};
  const Codebook book = lloyd_max(SortedValues(values, {}), 8, 1);
  CHECK(book.levels == std::vector<float>{-1, 2, 3});
  CHECK(book.mean_square_error == 0);
}

TEST_CASE("Levels of four bits at the normal distribution's quantiles are those of NF4") {
  const float published[] = {-1.0f,        -0.69619280f, -0.52507305f, -0.39491748f,
                             -0.28444138f, -0.18477343f, -0.09105003f, 0.0f,
                             0.07958029f,  0.16093020f,  0.24611230f,  0.33791524f,
                             0.44070983f,  0.56261700f,  0.72295684f,  1.0f};
  const std::vector<float> levels = normal_quantiles(4);
  REQUIRE(levels.size() == 16);
  for (size_t i = 0; i < 16; ++i) CHECK(levels[i] == doctest::Approx(published[i]).epsilon(1e-4));
}

TEST_CASE("Powers of two are a sign, an exponent and a zero") {
  CHECK(powers_of_two(2) == std::vector<float>{-1, 0, 1});
  CHECK(powers_of_two(3) == std::vector<float>{-1, -0.5f, -0.25f, 0, 0.25f, 0.5f, 1});
}

TEST_CASE("Evenly spread values are off by a twelfth of the squared step") {
  for (const int bits : {2, 3, 4, 6, 8}) {
    INFO(bits << " bits");
    const int levels = 1 << bits, half = (levels - 1) / 2;
    // Up to half a step beyond the outermost level, so that every cell is as wide as a step.
    const double step = 1.0 / half, reach = 1 + step / 2;
    const std::vector<float> values =
        drawn(200000, std::uniform_real_distribution<double>(-reach, reach), 3);
    const Sample sample{values, 1000, {}};
    const Loss loss = round_groups(sample, {Granularity::Kind::Tensor}, {},
                                   [&](auto) { return symmetric(1, levels); });
    CHECK(loss.errors / static_cast<double>(loss.values) ==
          doctest::Approx(step * step / 12).epsilon(0.01));
  }
}

TEST_CASE("Both ends of an asymmetric grid are levels, and zero is one of a symmetric grid") {
  const std::vector<float> values = {0.25f, 0.75f, 1.25f, 2.25f};
  const Grid ends = asymmetric(0.25, 2.25, 4);
  CHECK(ends.nearest(0.25f) == 0.25f);
  CHECK(ends.nearest(2.25f) == doctest::Approx(2.25).epsilon(1e-3));
  CHECK(ends.nearest(9) == doctest::Approx(2.25).epsilon(1e-3));
  CHECK(symmetric(2.25, 16).nearest(0.01f) == 0);
  CHECK(symmetric(2.25, 16).nearest(-9) == doctest::Approx(-2.25).epsilon(1e-3));
  // The signed extreme is hit by the code that the other side lacks.
  const std::vector<float> lopsided = {-1, 4, 0.5f};
  CHECK(full_range(lopsided, 16).nearest(4) == 4);
  CHECK(full_range(lopsided, 16).nearest(-9) == -3.5f);
  CHECK(mean_magnitude(lopsided, 3).nearest(4) == doctest::Approx(5.5 / 3).epsilon(1e-3));
  CHECK(mean_magnitude(lopsided, 2).nearest(-0.01f) == doctest::Approx(-5.5 / 3).epsilon(1e-3));
}

TEST_CASE("What is stored is counted: codes, scales, codebooks, and short last groups") {
  const std::vector<float> values = normal_values(10 * 172);
  const Sample sample{values, 172, {}};
  const auto fit = [](std::span<const float> group) {
    return symmetric(largest_magnitude(group), 16);
  };
  const auto bits = [&](Granularity granularity) {
    return round_groups(sample, granularity, {4, 16, 100}, fit).bits;
  };
  CHECK(bits({Granularity::Kind::Tensor}) == 4 * 1720 + 16 + 100);
  CHECK(bits({Granularity::Kind::Row}) == 4 * 1720 + 10 * 16 + 100);
  CHECK(bits({Granularity::Kind::Group, 32}) == 4 * 1720 + 60 * 16 + 100);
}

TEST_CASE("Finer groups lose less where rows differ in size") {
  std::vector<float> values = normal_values(64 * 256);
  for (size_t i = 0; i < values.size(); ++i) values[i] *= static_cast<float>(1 + i / 256 % 7);
  const Sample sample{values, 256, {}};
  double before = INFINITY;
  for (const Granularity& granularity :
       {Granularity{Granularity::Kind::Tensor}, Granularity{Granularity::Kind::Row},
        Granularity{Granularity::Kind::Group, 128}, Granularity{Granularity::Kind::Group, 32}}) {
    const double now = round_groups(sample, granularity, {}, [](std::span<const float> group) {
                         return symmetric(largest_magnitude(group), 16);
                       }).relative();
    CHECK(now < before);
    before = now;
  }
}

TEST_CASE("KL calibration does not clip a uniform distribution, and clips a heavy tail") {
  const std::vector<float> even = drawn(400000, std::uniform_real_distribution<double>(-1, 1), 5);
  CHECK(kl_clip(even, 256) > 0.99);
  CHECK(kl_clip(even, 16) > 0.97);
  std::vector<float> heavy = normal_values(400000, 6);
  for (size_t i = 0; i < heavy.size(); i += 10000) heavy[i] *= 30;
  const double largest = largest_magnitude(heavy);
  CHECK(largest > 30);
  CHECK(kl_clip(heavy, 256) < 0.5 * largest);
  CHECK(kl_clip(heavy, 256) > 2);
  CHECK(kl_clip(std::vector<float>(10, 0.0f), 256) == 0);
}

TEST_CASE(
    "The clip of the least squared error is the best of those tried, and near the known one") {
  const std::vector<float> values = normal_values(200000, 7);
  // Of 16 levels about zero, 15 used, the best step of a uniform quantiser of unit variance is
  // 0.3530 (Max 1960, table II, 15 levels): the outermost level at 7 steps.
  CHECK(mse_clip(values, {}, 16) == doctest::Approx(7 * 0.3530).epsilon(0.03));
  const std::vector<ClipError> errors = clip_errors(values, {}, 16, 40);
  const double best = mse_clip(values, {}, 16, 40);
  for (const ClipError& error : errors) {
    const Sample sample{values, 1000, {}};
    const Loss loss = round_groups(sample, {Granularity::Kind::Tensor}, {},
                                   [&](auto) { return symmetric(error.clip, 16); });
    CHECK(error.total() ==
          doctest::Approx(loss.errors / static_cast<double>(loss.values)).epsilon(1e-9));
    const Loss least = round_groups(sample, {Granularity::Kind::Tensor}, {},
                                    [&](auto) { return symmetric(best, 16); });
    CHECK(least.errors <= loss.errors * (1 + 1e-9));
  }
  CHECK(percentile_clip(values, 1) == largest_magnitude(values));
  CHECK(percentile_clip(values, 0.99) == doctest::Approx(2.5758).epsilon(0.02));
}

TEST_CASE("Moments are those of the distribution") {
  const Moments normal = moments_of(normal_values(200000));
  CHECK(normal.kurtosis == doctest::Approx(3).epsilon(0.03));
  CHECK(normal.deviation == doctest::Approx(1).epsilon(0.01));
  CHECK(normal.beyond3 == doctest::Approx(0.0027).epsilon(0.15));
  const Moments known = moments_of(std::vector<float>{0, 0, 2, 4});
  CHECK(known.mean == 1.5);
  CHECK(known.rms == doctest::Approx(std::sqrt(5.0)));
  CHECK(known.zeros == 0.5);
  CHECK(known.largest == 4);
  CHECK(histogram(std::vector<float>{-9, 0, 0.3f, 0.9f, 9}, 0, 1, 2) == std::vector<int64_t>{3, 2});
  CHECK(normal_quantile(0.975) == doctest::Approx(1.959964).epsilon(1e-6));
}

}  // namespace issun::quantize::lab
