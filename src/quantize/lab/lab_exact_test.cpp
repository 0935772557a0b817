// Truth: brute force. Least squares solved directly, all allocations, whole numbers by long
// arithmetic.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "quantize/lab/allocation.h"
#include "quantize/lab/obs.h"
#include "quantize/lab/rescale.h"

namespace issun::quantize::lab {

namespace {

using Vector = std::vector<double>;

struct Layer {
  int64_t n;
  Vector w, h, inverse;
};

// H = X X^T of more inputs than columns, which have something in common.
Layer random_layer(int64_t n, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal(0, 1);
  const auto size = static_cast<size_t>(n);
  Layer layer{n, Vector(size), Vector(size * size, 0), {}};
  for (double& w : layer.w) w = normal(random);
  for (int sample = 0; sample < 3 * n; ++sample) {
    const double common = normal(random);
    Vector x(size);
    for (double& value : x) value = common + normal(random);
    for (size_t i = 0; i < size; ++i) {
      for (size_t j = 0; j < size; ++j) layer.h[i * size + j] += x[i] * x[j];
    }
  }
  layer.inverse = *inverse_of(layer.h, n);
  return layer;
}

// Solves a x = b by elimination with pivots.
Vector solve(Vector a, Vector b) {
  const size_t n = b.size();
  for (size_t k = 0; k < n; ++k) {
    size_t pivot = k;
    for (size_t i = k; i < n; ++i) {
      if (std::abs(a[i * n + k]) > std::abs(a[pivot * n + k])) pivot = i;
    }
    for (size_t j = 0; j < n; ++j) std::swap(a[k * n + j], a[pivot * n + j]);
    std::swap(b[k], b[pivot]);
    for (size_t i = 0; i < n; ++i) {
      if (i == k) continue;
      const double factor = a[i * n + k] / a[k * n + k];
      for (size_t j = 0; j < n; ++j) a[i * n + j] -= factor * a[k * n + j];
      b[i] -= factor * b[k];
    }
  }
  for (size_t k = 0; k < n; ++k) b[k] /= a[k * n + k];
  return b;
}

// The row of the least output error whose entries are `fixed` where `is_fixed`.
Vector best_row(const Layer& layer, const Vector& fixed, const std::vector<bool>& is_fixed) {
  const auto n = static_cast<size_t>(layer.n);
  std::vector<size_t> free;
  for (size_t i = 0; i < n; ++i) {
    if (!is_fixed[i]) free.push_back(i);
  }
  Vector a, b;
  for (const size_t i : free) {
    double right = 0;
    for (size_t j = 0; j < n; ++j) {
      if (is_fixed[j]) right -= layer.h[i * n + j] * (fixed[j] - layer.w[j]);
    }
    b.push_back(right);
    for (const size_t j : free) a.push_back(layer.h[i * n + j]);
  }
  const Vector moved = solve(a, b);
  Vector row = fixed;
  for (size_t k = 0; k < free.size(); ++k) row[free[k]] = layer.w[free[k]] + moved[k];
  return row;
}

int zeros(const Vector& row, size_t begin, size_t end) {
  return static_cast<int>(std::count(row.begin() + static_cast<std::ptrdiff_t>(begin),
                                     row.begin() + static_cast<std::ptrdiff_t>(end), 0.0));
}

double round_half(double x) { return std::round(2 * x) / 2; }

}  // namespace

TEST_CASE("An inverse times its matrix is the identity, and what has none is refused") {
  const Layer layer = random_layer(9, 1);
  for (size_t i = 0; i < 9; ++i) {
    for (size_t j = 0; j < 9; ++j) {
      double sum = 0;
      for (size_t k = 0; k < 9; ++k) sum += layer.h[i * 9 + k] * layer.inverse[k * 9 + j];
      CHECK(sum == doctest::Approx(i == j).epsilon(1e-9));
    }
  }
  CHECK_FALSE(inverse_of(Vector{1, 2, 2, 1}, 2));
  CHECK_FALSE(inverse_of(Vector{0}, 1));
}

TEST_CASE("Removing and rounding weights leaves the least squares solution of the others") {
  for (uint32_t seed = 1; seed <= 5; ++seed) {
    INFO("seed " << seed);
    const Layer layer = random_layer(8, seed);
    ObsRow row(layer.w, layer.inverse);
    obs_prune(row, 3);
    const int64_t rounded = [&] {
      int64_t q = 0;
      while (!row.is_free(q)) ++q;
      return q;
    }();
    row.fix(rounded, round_half(row.weight(rounded)));
    Vector fixed(8, 0);
    std::vector<bool> is_fixed(8);
    for (int64_t q = 0; q < 8; ++q) {
      is_fixed[static_cast<size_t>(q)] = !row.is_free(q);
      if (!row.is_free(q)) fixed[static_cast<size_t>(q)] = row.weight(q);
    }
    CHECK(std::count(is_fixed.begin(), is_fixed.end(), true) == 4);
    const Vector best = best_row(layer, fixed, is_fixed);
    for (size_t i = 0; i < 8; ++i)
      CHECK(row.weights()[i] == doctest::Approx(best[i]).epsilon(1e-8));
  }
}

TEST_CASE("A weight's cost is what its removal adds to the error, and the least is taken") {
  const Layer layer = random_layer(7, 11);
  ObsRow row(layer.w, layer.inverse);
  double least = INFINITY;
  int64_t cheapest = -1;
  for (int64_t q = 0; q < 7; ++q) {
    std::vector<bool> is_fixed(7, false);
    is_fixed[static_cast<size_t>(q)] = true;
    const double error = output_error(layer.w, best_row(layer, Vector(7, 0), is_fixed), layer.h);
    CHECK(row.cost(q, 0) == doctest::Approx(error).epsilon(1e-8));
    if (error < least) least = error, cheapest = q;
  }
  obs_prune(row, 1);
  CHECK_FALSE(row.is_free(cheapest));
  CHECK(output_error(layer.w, row.weights(), layer.h) == doctest::Approx(least).epsilon(1e-8));
}

TEST_CASE("Errors add up: what each step cost is what the row is off by in the end") {
  const Layer layer = random_layer(12, 3);
  ObsRow row(layer.w, layer.inverse);
  double sum = 0;
  for (int64_t q = 0; q < 12; ++q) {
    const double target = round_half(row.weight(q));
    sum += row.cost(q, target);
    row.fix(q, target);
  }
  CHECK(output_error(layer.w, row.weights(), layer.h) == doctest::Approx(sum).epsilon(1e-8));
}

TEST_CASE("Of every four neighbours two are removed, and the rest is rounded to the grid") {
  for (const int64_t n : {16, 18, 19}) {
    INFO(n << " columns");
    const Layer layer = random_layer(n, 21);
    ObsRow row(layer.w, layer.inverse);
    obs_prune_2_of_4(row);
    const Vector magnitude = prune_smallest_2_of_4(layer.w);
    for (const Vector& pruned : {row.weights(), magnitude}) {
      for (size_t g = 0; 4 * g < static_cast<size_t>(n); ++g) {
        const size_t end = std::min(static_cast<size_t>(n), 4 * g + 4);
        CHECK(zeros(pruned, 4 * g, end) == static_cast<int>((end - 4 * g) / 2));
      }
    }
    const Vector before = row.weights();
    obs_round(row, round_half, 0.25);
    for (int64_t q = 0; q < n; ++q) {
      CHECK_FALSE(row.is_free(q));
      CHECK(row.weight(q) == round_half(row.weight(q)));
      if (before[static_cast<size_t>(q)] == 0) CHECK(row.weight(q) == 0);
    }
  }
}

TEST_CASE("Moving the others loses less than magnitudes and plain rounding") {
  double pruned = 0, smallest = 0, rounded = 0, plain = 0;
  for (uint32_t seed = 1; seed <= 10; ++seed) {
    const Layer layer = random_layer(24, seed);
    ObsRow row(layer.w, layer.inverse);
    obs_prune(row, 12);
    CHECK(zeros(row.weights(), 0, 24) == 12);
    CHECK(zeros(prune_smallest(layer.w, 12), 0, 24) == 12);
    pruned += output_error(layer.w, row.weights(), layer.h);
    smallest += output_error(layer.w, prune_smallest(layer.w, 12), layer.h);
    ObsRow other(layer.w, layer.inverse);
    obs_round(other, round_half, 0.25);
    rounded += output_error(layer.w, other.weights(), layer.h);
    Vector nearest = layer.w;
    for (double& w : nearest) w = round_half(w);
    plain += output_error(layer.w, nearest, layer.h);
  }
  CHECK(pruned < 0.8 * smallest);
  CHECK(rounded < 0.8 * plain);
}

TEST_CASE("Bits go where all allocations of the size say they should") {
  std::mt19937 random(4);
  std::uniform_real_distribution<double> scale(0.1, 10);
  for (int round = 0; round < 20; ++round) {
    std::vector<Widths> tensors(4);
    for (Widths& widths : tensors) {
      double error = scale(random);
      for (int k = 2; k <= 5; ++k, error /= 4) widths.push_back({100.0 * k, error});
    }
    for (double budget = 800; budget <= 2000; budget += 100) {
      double best = INFINITY;
      for (int code = 0; code < 256; ++code) {
        double bits = 0, error = 0;
        for (size_t t = 0; t < 4; ++t) {
          const Width& width = tensors[t][static_cast<size_t>(code >> (2 * t) & 3)];
          bits += width.bits, error += width.error;
        }
        if (bits <= budget) best = std::min(best, error);
      }
      const Allocation found = greedy(tensors, budget);
      CHECK(found.bits <= budget);
      CHECK(found.error == doctest::Approx(best));
    }
    CHECK(greedy(tensors, 1600).error <= same_width(tensors, 2).error + 1e-12);
    CHECK(greedy(tensors, 0).chosen == std::vector<int>(4, 0));
  }
}

TEST_CASE("A step over a width that is no use is taken at once") {
  const std::vector<Widths> tensors = {{{1, 10}, {2, 9.9}, {3, 1}}};
  std::vector<Allocation> path;
  CHECK(greedy(tensors, 3, &path).chosen == std::vector<int>{2});
  CHECK(path.size() == 2);
}

TEST_CASE("A multiplier and a shift are the factor to within half a unit of the last bit") {
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> exponent(-30, 0);
  for (const int bits : {1, 2, 8, 16, 31}) {
    for (int i = 0; i < 200; ++i) {
      const double factor = std::exp2(exponent(random)) / 2;
      const Dyadic dyadic = dyadic_of(factor, bits);
      CHECK(std::abs(dyadic.value() / factor - 1) <= std::ldexp(1, -bits));
      CHECK(dyadic.multiplier < int64_t{1} << bits);
    }
  }
  CHECK(dyadic_of(0.5, 8).value() == 0.5);
  CHECK(dyadic_of(0.99999, 4).value() == 1);  // rounds up to the next power
  CHECK(dyadic_of(1e9, 8).value() == 127.5);
  CHECK(dyadic_of(1e-30, 31).value() == 0);
}

TEST_CASE("Whole numbers are rescaled exactly, and within one unit of the float scale") {
  // Long arithmetic: floor((2 * sum * m + 2^shift) / 2^(shift + 1)).
  const auto exact = [](int32_t sum, Dyadic d) {
    const __int128 doubled =
        static_cast<__int128>(2) * sum * d.multiplier + (__int128{1} << d.shift);
    const __int128 divisor = __int128{1} << (d.shift + 1);
    __int128 floor = doubled / divisor;
    if (doubled % divisor < 0) --floor;
    return static_cast<int64_t>(floor);
  };
  std::mt19937_64 random(9);
  std::uniform_real_distribution<double> exponent(-24, -8);
  for (int i = 0; i < 20000; ++i) {
    const auto sum = static_cast<int32_t>(random() >> 32);
    const double factor = std::exp2(exponent(random));
    const Dyadic dyadic = dyadic_of(factor, 31);
    CHECK(rescale(sum, dyadic) == exact(sum, dyadic));
    CHECK(std::abs(rescale(sum, dyadic) - std::nearbyint(sum * factor)) <= 1);
  }
  CHECK(rescale(3, {1, 1}) == 2);    // 1.5
  CHECK(rescale(-3, {1, 1}) == -1);  // -1.5: halves up
  CHECK(rescale(INT32_MIN, {INT32_MAX, 1}) == INT32_MIN);
  CHECK(rescale(INT32_MIN, dyadic_of(0.25, 31)) == INT32_MIN / 4);
}

TEST_CASE("More bits of the multiplier come nearer to the float scale") {
  std::mt19937 random(2);
  std::normal_distribution<float> normal(0, 1);
  std::vector<float> weights(16 * 96), inputs(24 * 96);
  for (float& x : weights) x = normal(random);
  for (float& x : inputs) x = normal(random);
  const int bits[] = {2, 4, 8, 31};
  const auto errors = compare_rescales(weights, inputs, 96, bits);
  REQUIRE(errors.size() == 5);
  CHECK(errors[0].differing == 0);
  CHECK(errors[0].values == 16 * 24);
  CHECK(errors[1].mean > errors[2].mean);
  CHECK(errors[2].mean > errors[3].mean);
  CHECK(errors[4].largest <= 1);
  CHECK(errors[4].relative == doctest::Approx(errors[0].relative).epsilon(1e-3));
  CHECK(errors[0].relative < 0.05);
}

}  // namespace issun::quantize::lab
