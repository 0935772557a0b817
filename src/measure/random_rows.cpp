#include "measure/random_rows.h"

#include <cmath>
#include <cstring>

#include "base/check.h"
#include "tensor/blocks.h"
#include "tensor/half.h"

namespace issun::measure {

namespace {

// Root mean square of evenly spread codes about the value that the block subtracts.
constexpr double kNibbleSpread = 4.6098;     // 0..15 about 7.5
constexpr double kNibble8Spread = 4.6368;    // 0..15 about 8
constexpr double kFiveBitSpread = 9.2331;    // 0..31 about 15.5
constexpr double kSixBitSpread = 18.4797;    // 0..63 about 32
constexpr double kEightBitSpread = 73.6116;  // -127..127 about 0
constexpr double kScaleSpread = 23.9478;     // the scales of groups below, 16..31 about 0

// Blocks differ in scale, as those of real weights do.
double jittered(double scale, Random& random) { return scale * random.uniform(0.75, 1.25); }

uint16_t half(double value) { return f32_to_f16(static_cast<float>(value)); }

// Codes are whatever fill() left in the block; the functions below make its scales fit.

void set_scales(BlockQ8_0* block, double deviation, Random& random) {
  block->d = half(jittered(deviation / kEightBitSpread, random));
  for (int8_t& q : block->q) q = q == -128 ? int8_t{127} : q;  // which no encoder writes
}

void set_scales(BlockQ4_0* block, double deviation, Random& random) {
  const double sign =
      (random.next() & 1) != 0 ? 1 : -1;  // as the encoder's, the sign of the extreme value
  block->d = half(sign * jittered(deviation / kNibble8Spread, random));
}

// Eight groups with their minimum in the middle of the codes.
template <class Block>
void set_scales_k4(Block* block, double deviation, double spread, double middle, Random& random) {
  uint8_t scales[8];
  uint64_t bits = random.next();
  for (uint8_t& scale : scales) {
    scale = static_cast<uint8_t>(16 + (bits & 15));
    bits >>= 4;
  }
  pack_scales_k4(scales, scales, block->scales);
  const double d = jittered(deviation / (spread * kScaleSpread), random);
  block->d = half(d);
  block->dmin = half(middle * f16_to_f32(block->d));
}

void set_scales(BlockQ4_K* block, double deviation, Random& random) {
  set_scales_k4(block, deviation, kNibbleSpread, 7.5, random);
}

void set_scales(BlockQ5_K* block, double deviation, Random& random) {
  set_scales_k4(block, deviation, kFiveBitSpread, 15.5, random);
}

void set_scales(BlockQ6_K* block, double deviation, Random& random) {
  for (int8_t& scale : block->scales) {
    const int magnitude = 16 + (scale & 15);
    scale = static_cast<int8_t>((scale & 16) != 0 ? magnitude : -magnitude);
  }
  block->d = half(jittered(deviation / (kSixBitSpread * kScaleSpread), random));
}

template <class Block>
void fill_blocks(double deviation, Random& random, std::span<std::byte> rows) {
  CHECK_THAT(rows.size() % sizeof(Block) == 0);
  random.fill(rows);
  for (size_t at = 0; at < rows.size(); at += sizeof(Block)) {
    Block block;
    std::memcpy(&block, rows.data() + at, sizeof(Block));
    set_scales(&block, deviation, random);
    std::memcpy(rows.data() + at, &block, sizeof(Block));
  }
}

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

bool can_fill(DType type) {
  switch (type) {
    case DType::F32:
    case DType::F16:
    case DType::BF16:
    case DType::Q8_0:
    case DType::Q4_0:
    case DType::Q4_K:
    case DType::Q5_K:
    case DType::Q6_K:
      return true;
    default:
      return false;
  }
}

void fill_rows(DType type, double deviation, Random& random, std::span<std::byte> rows) {
  CHECK_THAT(can_fill(type) && deviation > 1e-6 && deviation < 1);
  switch (type) {
    case DType::F32:
      return fill_floats<float>(deviation, random, rows, [](float value) { return value; });
    case DType::F16:
      return fill_floats<uint16_t>(deviation, random, rows, f32_to_f16);
    case DType::BF16:
      return fill_floats<uint16_t>(deviation, random, rows, f32_to_bf16);
    case DType::Q8_0:
      return fill_blocks<BlockQ8_0>(deviation, random, rows);
    case DType::Q4_0:
      return fill_blocks<BlockQ4_0>(deviation, random, rows);
    case DType::Q4_K:
      return fill_blocks<BlockQ4_K>(deviation, random, rows);
    case DType::Q5_K:
      return fill_blocks<BlockQ5_K>(deviation, random, rows);
    default:
      return fill_blocks<BlockQ6_K>(deviation, random, rows);
  }
}

}  // namespace issun::measure
