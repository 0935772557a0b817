#include "measure/random_blocks.h"

#include <cstring>

#include "base/check.h"
#include "tensor/blocks.h"
#include "tensor/codebooks.h"
#include "tensor/half.h"

namespace issun::measure {

namespace {

// Root mean square of evenly spread codes about the value that the block subtracts.
constexpr double kTernarySpread = 0.7071;    // -1..1, half of them zero
constexpr double kTritSpread = 0.8173;       // the digits of evenly spread bytes, about 1
constexpr double kTwoBitSpread = 1.1180;     // 0..3 about 1.5
constexpr double kThreeBitSpread = 2.3452;   // 0..7 about 4
constexpr double kNibbleSpread = 4.6098;     // 0..15 about 7.5
constexpr double kNibble8Spread = 4.6368;    // 0..15 about 8
constexpr double kFiveBitSpread = 9.2331;    // 0..31 about 15.5
constexpr double kFiveBit16Spread = 9.2466;  // 0..31 about 16
constexpr double kSixBitSpread = 18.4797;    // 0..63 about 32
constexpr double kEightBitSpread = 73.6116;  // -127..127 about 0
constexpr double kFp4Spread = 5.8523;        // kCodesFp4
constexpr double kIq4Spread = 67.4389;       // kCodesIq4
// Of the values of the codebooks.
constexpr double kIq1Spread = 0.7809;  // with the eighth that is added
constexpr double kIq2XxsSpread = 23.1177, kIq2XsSpread = 24.2173, kIq2SSpread = 24.4303;
constexpr double kIq3XxsSpread = 30.8487, kIq3SSpread = 7.5942;
// Of the scales of groups as they are made below.
constexpr double kScaleSpread = 23.9478;        // 16..31 about 0
constexpr double kSignedScaleSpread = 24.4438;  // 16..31 and -32..-17
constexpr double kNibbleScaleSpread = 11.7260;  // 8..15
constexpr double kHalfScaleSpread = 12.2168;    // 8.5, 9.5, ... 15.5
constexpr double kOddScaleSpread = 24.4336;     // 17, 19, ... 31
constexpr double kOddScale1Spread = 12.2066;    // 9, 11, 13, 15

// Blocks differ in scale, as those of real weights do.
double jittered(double scale, Random& random) { return scale * random.uniform(0.75, 1.25); }

uint16_t half(double value) { return f32_to_f16(static_cast<float>(value)); }

// Where codes are not even about zero, blocks of either sign are.
uint16_t signed_half(double value, Random& random) {
  return half((random.next() & 1) != 0 ? value : -value);
}

// Pairs of bits that are both set become zeros: codes 0..2, as encoders write them.
template <size_t n>
void make_ternary(uint8_t (&pairs)[n]) {
  for (uint8_t& byte : pairs) byte = static_cast<uint8_t>(byte & ~(byte & byte << 1 & 0xaa));
}

template <size_t n>
void set_bits(uint8_t (&bytes)[n], uint8_t bits) {
  for (uint8_t& byte : bytes) byte |= bits;
}

// Codes are whatever fill() left in the block; the functions below make its scales fit.

void set_scales(BlockQ8_0* block, double deviation, Random& random) {
  block->d = half(jittered(deviation / kEightBitSpread, random));
  for (int8_t& q : block->q) q = q == -128 ? int8_t{127} : q;  // which no encoder writes
}

void set_scales(BlockQ4_0* block, double deviation, Random& random) {
  block->d = signed_half(jittered(deviation / kNibble8Spread, random), random);
}

// With the middle of the codes at zero.
template <class Block>
void set_minimum(Block* block, double d, double middle) {
  block->d = half(d);
  block->m = half(-middle * f16_to_f32(block->d));
}

void set_scales(BlockQ4_1* block, double deviation, Random& random) {
  set_minimum(block, jittered(deviation / kNibbleSpread, random), 7.5);
}

void set_scales(BlockQ5_0* block, double deviation, Random& random) {
  block->d = signed_half(jittered(deviation / kFiveBit16Spread, random), random);
}

void set_scales(BlockQ5_1* block, double deviation, Random& random) {
  set_minimum(block, jittered(deviation / kFiveBitSpread, random), 15.5);
}

void set_scales(BlockQ1_0* block, double deviation, Random& random) {
  block->d = half(jittered(deviation, random));
}

void set_scales(BlockQ2_0* block, double deviation, Random& random) {
  make_ternary(block->pairs);
  block->d = half(jittered(deviation / kTernarySpread, random));
}

void set_scales(BlockTQ1_0* block, double deviation, Random& random) {
  block->d = signed_half(jittered(deviation / kTritSpread, random), random);
}

void set_scales(BlockTQ2_0* block, double deviation, Random& random) {
  make_ternary(block->pairs);
  block->d = half(jittered(deviation / kTernarySpread, random));
}

// One of the two neighbours of `scale` among the rising values of a scale of eight bits, so often
// that the mean square is that of `scale`.
template <class Value>
uint8_t near_scale(double scale, int last, const Value& value, Random& random) {
  int code = 0;
  while (code + 1 < last && value(code + 1) <= scale) ++code;
  const double low = value(code) * value(code), high = value(code + 1) * value(code + 1);
  return static_cast<uint8_t>(random.uniform(low, high) < scale * scale ? code + 1 : code);
}

void set_scales(BlockMXFP4* block, double deviation, Random& random) {
  block->e = near_scale(
      deviation / kFp4Spread, 254,
      [](int e) { return static_cast<double>(half_e8m0(static_cast<uint8_t>(e))); }, random);
}

void set_scales(BlockNVFP4* block, double deviation, Random& random) {
  for (uint8_t& scale : block->scales) {
    scale = near_scale(
        jittered(deviation / kFp4Spread, random), 126,
        [](int code) { return static_cast<double>(half_ue4m3(static_cast<uint8_t>(code))); },
        random);
  }
}

// Sixteen groups with their minimum in the middle of the codes.
void set_scales(BlockQ2_K* block, double deviation, Random& random) {
  for (uint8_t& both : block->scales) both = static_cast<uint8_t>((8 | (both & 7)) * 17);
  const double d = jittered(deviation / (kTwoBitSpread * kNibbleScaleSpread), random);
  block->d = half(d);
  block->dmin = half(1.5 * f16_to_f32(block->d));
}

// Scales of six bits whose upper two are equal are 16..31 or -32..-17.
void set_scales(BlockQ3_K* block, double deviation, Random& random) {
  for (int i = 8; i < 12; ++i)
    block->scales[i] = static_cast<uint8_t>((block->scales[i] & 0x55) * 3);
  block->d = half(jittered(deviation / (kThreeBitSpread * kSignedScaleSpread), random));
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

void set_scales(BlockIQ4_NL* block, double deviation, Random& random) {
  block->d = signed_half(jittered(deviation / kIq4Spread, random), random);
}

// Scales as those of Q3_K.
void set_scales(BlockIQ4_XS* block, double deviation, Random& random) {
  block->scales_high = static_cast<uint16_t>((block->scales_high & 0x5555) * 3);
  block->d = half(jittered(deviation / (kIq4Spread * kSignedScaleSpread), random));
}

void set_scales(BlockIQ2_XXS* block, double deviation, Random& random) {
  for (auto& group : block->groups) group[3] |= 0x8000;  // the top bit of the scale
  block->d = half(jittered(4 * deviation / (kIq2XxsSpread * kHalfScaleSpread), random));
}

void set_scales(BlockIQ2_XS* block, double deviation, Random& random) {
  set_bits(block->scales, 0x88);
  block->d = half(jittered(4 * deviation / (kIq2XsSpread * kHalfScaleSpread), random));
}

void set_scales(BlockIQ2_S* block, double deviation, Random& random) {
  set_bits(block->scales, 0x88);
  block->d = half(jittered(4 * deviation / (kIq2SSpread * kHalfScaleSpread), random));
}

void set_scales(BlockIQ3_XXS* block, double deviation, Random& random) {
  for (auto& group : block->groups) group[1] |= 0x8000;
  block->d = half(jittered(2 * deviation / (kIq3XxsSpread * kHalfScaleSpread), random));
}

void set_scales(BlockIQ3_S* block, double deviation, Random& random) {
  set_bits(block->scales, 0x88);
  block->d = half(jittered(deviation / (kIq3SSpread * kOddScaleSpread), random));
}

void set_scales(BlockIQ1_S* block, double deviation, Random& random) {
  for (uint16_t& high : block->high) high |= 0x4000;
  block->d = half(jittered(deviation / (kIq1Spread * kOddScale1Spread), random));
}

void set_scales(BlockIQ1_M* block, double deviation, Random& random) {
  const uint16_t d = half(jittered(deviation / (kIq1Spread * kOddScale1Spread), random));
  for (int i = 0; i < 4; ++i) {
    const int top = d >> 4 * i & 15;
    block->scales[i] = static_cast<uint16_t>((block->scales[i] & 0xfff) | 0x924 | top << 12);
  }
}

template <class Block>
void fill_all(double deviation, Random& random, std::span<std::byte> rows) {
  CHECK_THAT(rows.size() % sizeof(Block) == 0);
  random.fill(rows);
  for (size_t at = 0; at < rows.size(); at += sizeof(Block)) {
    Block block;
    std::memcpy(&block, rows.data() + at, sizeof(Block));
    set_scales(&block, deviation, random);
    std::memcpy(rows.data() + at, &block, sizeof(Block));
  }
}

struct Filler {
  DType type;
  void (*fill)(double deviation, Random& random, std::span<std::byte> rows);
};
constexpr Filler kFillers[] = {
    {DType::Q8_0, fill_all<BlockQ8_0>},       {DType::Q4_0, fill_all<BlockQ4_0>},
    {DType::Q4_1, fill_all<BlockQ4_1>},       {DType::Q5_0, fill_all<BlockQ5_0>},
    {DType::Q5_1, fill_all<BlockQ5_1>},       {DType::Q1_0, fill_all<BlockQ1_0>},
    {DType::Q2_0, fill_all<BlockQ2_0>},       {DType::TQ1_0, fill_all<BlockTQ1_0>},
    {DType::TQ2_0, fill_all<BlockTQ2_0>},     {DType::MXFP4, fill_all<BlockMXFP4>},
    {DType::NVFP4, fill_all<BlockNVFP4>},     {DType::Q2_K, fill_all<BlockQ2_K>},
    {DType::Q3_K, fill_all<BlockQ3_K>},       {DType::Q4_K, fill_all<BlockQ4_K>},
    {DType::Q5_K, fill_all<BlockQ5_K>},       {DType::Q6_K, fill_all<BlockQ6_K>},
    {DType::IQ4_NL, fill_all<BlockIQ4_NL>},   {DType::IQ4_XS, fill_all<BlockIQ4_XS>},
    {DType::IQ3_XXS, fill_all<BlockIQ3_XXS>}, {DType::IQ3_S, fill_all<BlockIQ3_S>},
    {DType::IQ2_XXS, fill_all<BlockIQ2_XXS>}, {DType::IQ2_XS, fill_all<BlockIQ2_XS>},
    {DType::IQ2_S, fill_all<BlockIQ2_S>},     {DType::IQ1_S, fill_all<BlockIQ1_S>},
    {DType::IQ1_M, fill_all<BlockIQ1_M>},
};

}  // namespace

void fill_blocks(DType type, double deviation, Random& random, std::span<std::byte> rows) {
  for (const Filler& filler : kFillers) {
    if (filler.type == type) return filler.fill(deviation, random, rows);
  }
  CHECK_THAT(false);
}

}  // namespace issun::measure
