#include "measure/random_rows.h"

#include <cmath>
#include <cstring>

#include "base/check.h"
#include "measure/random_blocks.h"
#include "tensor/half.h"

namespace issun::measure {

namespace {

// Sixteen random bits a value, made odd so that it is not zero; spread evenly.
template <class Number, class Convert>
void fill_floats(double deviation, Random& random, std::span<std::byte> rows, Convert&& convert) {
  const auto step = static_cast<float>(deviation * std::sqrt(3.0) / 32768);
  uint64_t bits = 0;
  for (size_t i = 0; i < rows.size() / sizeof(Number); ++i) {
    if (i % 4 == 0) bits = random.next();
    const Number number = convert(step * static_cast<float>(static_cast<int16_t>(bits | 1)));
    std::memcpy(rows.data() + i * sizeof(Number), &number, sizeof(Number));
    bits >>= 16;
  }
}

}  // namespace

uint64_t Random::next() {
  uint64_t z = state_ += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

void Random::fill(std::span<std::byte> bytes) {
  while (bytes.size() >= sizeof(uint64_t)) {
    const uint64_t word = next();
    std::memcpy(bytes.data(), &word, sizeof(word));
    bytes = bytes.subspan(sizeof(word));
  }
  const uint64_t word = next();
  if (!bytes.empty()) std::memcpy(bytes.data(), &word, bytes.size());
}

double Random::uniform(double low, double high) {
  return low + (high - low) * static_cast<double>(next() >> 11) * 0x1p-53;
}

void fill_rows(DType type, double deviation, Random& random, std::span<std::byte> rows) {
  CHECK_THAT(facts(type).computable && deviation > 1e-6 && deviation < 1);
  switch (type) {
    case DType::F32:
      return fill_floats<float>(deviation, random, rows, [](float value) { return value; });
    case DType::F16:
      return fill_floats<uint16_t>(deviation, random, rows, f32_to_f16);
    case DType::BF16:
      return fill_floats<uint16_t>(deviation, random, rows, f32_to_bf16);
    default:
      return fill_blocks(type, deviation, random, rows);
  }
}

}  // namespace issun::measure
