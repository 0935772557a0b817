#include "quantize/hqq.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "tensor/blocks.h"
#include "tensor/codec.h"
#include "tensor/half.h"

using namespace issun;
using namespace issun::quantize;

namespace {

constexpr DType kHqqFormats[] = {DType::Q4_1, DType::Q5_1, DType::Q2_K, DType::Q4_K, DType::Q5_K};

// Mostly small values and a few far out, not about 0.
std::vector<float> heavy_tailed(int64_t count) {
  std::mt19937 random(3);
  std::student_t_distribution<float> draw(2.5f);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& x : values) x = draw(random) - 0.5f;
  return values;
}

// The sum of |x - x'|^p.
double loss(const std::vector<float>& x, const std::vector<float>& y, double p) {
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i)
    sum += std::pow(std::fabs(static_cast<double>(x[i]) - static_cast<double>(y[i])), p);
  return sum;
}

std::vector<float> round_trip(DType type, const std::vector<float>& values) {
  const auto columns = static_cast<int64_t>(values.size());
  std::vector<std::byte> row(static_cast<size_t>(row_bytes(type, columns)));
  encode_row_hqq(type, values.data(), columns, row.data());
  std::vector<float> again(values.size());
  decode_row(type, row.data(), columns, again.data());
  return again;
}

// Q4_1 from the extremes alone.
std::vector<float> plain(const std::vector<float>& values) {
  std::vector<float> again(values.size());
  for (size_t first = 0; first < values.size(); first += 32) {
    const auto [least, most] = std::minmax_element(values.begin() + static_cast<long>(first),
                                                   values.begin() + static_cast<long>(first) + 32);
    const float d = f16_to_f32(f32_to_f16((*most - *least) / 15)),
                m = f16_to_f32(f32_to_f16(*least));
    for (size_t i = first; i < first + 32; ++i)
      again[i] = m + d * std::clamp(std::nearbyint((values[i] - m) / d), 0.0f, 15.0f);
  }
  return again;
}

}  // namespace

TEST_CASE("moving zero points lowers the norm that minds outliers less") {
  const std::vector<float> values = heavy_tailed(1 << 14);
  const double before = loss(values, plain(values), 0.7);
  const double after = loss(values, round_trip(DType::Q4_1, values), 0.7);
  MESSAGE("sum of |error|^0.7: " << before << " with the extremes, " << after);
  CHECK(after < 0.99 * before);
}

TEST_CASE("every format with zero points comes near, and values of a grid come back") {
  const std::vector<float> values = heavy_tailed(4096), zeros(4096, 0.0f);
  for (const DType type : kHqqFormats) {
    CAPTURE(name(type));
    CHECK(has_zero_point(type));
    const double limit = type == DType::Q2_K ? 0.5 : 0.15;
    CHECK(loss(values, round_trip(type, values), 1) < limit * loss(values, zeros, 1));
    CHECK(round_trip(type, zeros) == zeros);
    std::vector<float> steps(4096);
    const int codes = type == DType::Q2_K                          ? 4
                      : type == DType::Q5_1 || type == DType::Q5_K ? 32
                                                                   : 16;
    for (size_t i = 0; i < steps.size(); ++i)
      steps[i] = static_cast<float>(static_cast<int>(i) % codes);
    const std::vector<float> again = round_trip(type, steps);
    for (size_t i = 0; i < steps.size(); ++i)
      CHECK(again[i] == doctest::Approx(steps[i]).epsilon(0.01));
  }
  CHECK_FALSE(has_zero_point(DType::Q4_0));
  CHECK_FALSE(has_zero_point(DType::Q6_K));
}
