#include "tensor/half.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

using namespace issun;

namespace {

// What a binary16 pattern means, by the definition of the format.
double meaning(int bits) {
  const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
  const double magnitude =
      exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

}  // namespace

TEST_CASE("every binary16 pattern widens to its meaning and comes back") {
  for (int bits = 0; bits < 65536; ++bits) {
    const float wide = f16_to_f32(static_cast<uint16_t>(bits));
    if ((bits & 0x7c00) == 0x7c00) {
      CHECK(((bits & 1023) == 0 ? std::isinf(wide) : std::isnan(wide)));
      CHECK(std::signbit(wide) == ((bits & 0x8000) != 0));
    } else {
      REQUIRE(static_cast<double>(wide) == meaning(bits));
    }
    const uint16_t back = f32_to_f16(wide);
    if (std::isnan(wide)) {
      REQUIRE((back & 0x7fff) > 0x7c00);
    } else {
      REQUIRE(back == bits);
    }
  }
}

TEST_CASE("every bfloat16 pattern is the upper half of its float and comes back") {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const float wide = bf16_to_f32(static_cast<uint16_t>(bits));
    REQUIRE(__builtin_bit_cast(uint32_t, wide) == bits << 16);
    if (std::isnan(wide)) {
      REQUIRE((f32_to_bf16(wide) & 0x7fff) > 0x7f80);
    } else {
      REQUIRE(f32_to_bf16(wide) == bits);
    }
  }
}

TEST_CASE("floats narrow to the nearest binary16, ties to even") {
  std::vector<double>
      halves;  // all finite magnitudes in order, then where infinity begins to be nearer
  for (int bits = 0; bits < 0x7c00; ++bits) halves.push_back(meaning(bits));
  halves.push_back(65536);
  const auto nearest = [&](float x) {
    const double magnitude = std::fabs(static_cast<double>(x));
    if (magnitude >= 65536) return 0x7c00;
    const auto above = std::upper_bound(halves.begin(), halves.end(), magnitude);
    const int low = static_cast<int>(above - halves.begin()) - 1;
    const double to_low = magnitude - halves[static_cast<size_t>(low)],
                 to_high = *above - magnitude;
    if (to_low == to_high) return low % 2 == 0 ? low : low + 1;
    return to_low < to_high ? low : low + 1;
  };
  std::mt19937 random(11);
  for (int i = 0; i < 200000; ++i) {
    uint32_t bits = random();
    if (i % 2 == 0)
      bits = (bits & 0x80ffffff) | (0x32 + i / 2 % 22) << 24;  // near the range of binary16
    if (i % 4 == 0) bits &= 0xfffff000;                        // halves of the last place: ties
    const float x = __builtin_bit_cast(float, bits);
    if (std::isnan(x)) continue;
    CAPTURE(x);
    REQUIRE((f32_to_f16(x) & 0x7fff) == nearest(x));
    REQUIRE((f32_to_f16(x) >> 15) == (std::signbit(x) ? 1 : 0));
  }
  CHECK(f32_to_f16(65519.996f) == 0x7bff);
  CHECK(f32_to_f16(65520.0f) == 0x7c00);
  CHECK(f32_to_f16(std::numeric_limits<float>::infinity()) == 0x7c00);
}

TEST_CASE("floats narrow to the nearest bfloat16, ties to even") {
  CHECK(f32_to_bf16(1.0f) == 0x3f80);
  CHECK(f32_to_bf16(1.00390625f) == 0x3f80);    // a tie: down to even
  CHECK(f32_to_bf16(1.01171875f) == 0x3f82);    // a tie: up to even
  CHECK(f32_to_bf16(1.0039063692f) == 0x3f81);  // just above the tie
  CHECK(f32_to_bf16(std::numeric_limits<float>::max()) == 0x7f80);
  CHECK(f32_to_bf16(-std::numeric_limits<float>::infinity()) == 0xff80);
}
