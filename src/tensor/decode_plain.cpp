#include "tensor/decode_plain.h"

#include "tensor/codebooks.h"
#include "tensor/half.h"

namespace issun {

namespace {

// Value i of 32 whose nibbles are low ones for 0..15, high ones for 16..31.
int nibble(const uint8_t* nibbles, int i) { return nibbles[i % 16] >> (i / 16 * 4) & 15; }

int bit(const uint8_t* bits, int i) { return bits[i / 8] >> (i % 8) & 1; }

}  // namespace

void decode(const BlockQ4_0& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < 32; ++i) out[i] = static_cast<float>(nibble(block.nibbles, i) - 8) * d;
}

void decode(const BlockQ4_1& block, float* out) {
  const float d = f16_to_f32(block.d), m = f16_to_f32(block.m);
  for (int i = 0; i < 32; ++i) out[i] = static_cast<float>(nibble(block.nibbles, i)) * d + m;
}

void decode(const BlockQ5_0& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < 32; ++i) {
    const int q = nibble(block.nibbles, i) | bit(block.high, i) << 4;
    out[i] = static_cast<float>(q - 16) * d;
  }
}

void decode(const BlockQ5_1& block, float* out) {
  const float d = f16_to_f32(block.d), m = f16_to_f32(block.m);
  for (int i = 0; i < 32; ++i) {
    const int q = nibble(block.nibbles, i) | bit(block.high, i) << 4;
    out[i] = static_cast<float>(q) * d + m;
  }
}

void decode(const BlockQ8_0& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < 32; ++i) out[i] = static_cast<float>(block.q[i]) * d;
}

void decode(const BlockQ1_0& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < 128; ++i) out[i] = bit(block.bits, i) != 0 ? d : -d;
}

void decode(const BlockQ2_0& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < 64; ++i) {
    out[i] = static_cast<float>((block.pairs[i / 4] >> (i % 4 * 2) & 3) - 1) * d;
  }
}

void decode(const BlockTQ1_0& block, float* out) {
  const float d = f16_to_f32(block.d);
  const auto decode_bytes = [&](const uint8_t* bytes, int count, int digits) {
    for (int i = 0; i < count; ++i) {
      uint8_t left = bytes[i];
      for (int n = 0; n < digits; ++n) {
        out[n * count + i] = static_cast<float>(next_trit(&left) - 1) * d;
      }
    }
    out += count * digits;
  };
  decode_bytes(block.trits, 32, 5);
  decode_bytes(block.trits + 32, 16, 5);
  decode_bytes(block.last_trits, 4, 4);
}

void decode(const BlockTQ2_0& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < 256; ++i) {
    const int q = block.pairs[i / 128 * 32 + i % 32] >> (i / 32 % 4 * 2) & 3;
    out[i] = static_cast<float>(q - 1) * d;
  }
}

void decode(const BlockMXFP4& block, float* out) {
  const float d = half_e8m0(block.e);
  for (int i = 0; i < 32; ++i) out[i] = static_cast<float>(kCodesFp4[nibble(block.nibbles, i)]) * d;
}

void decode(const BlockNVFP4& block, float* out) {
  for (int i = 0; i < 64; ++i) {
    const int code = block.nibbles[i / 16 * 8 + i % 8] >> (i / 8 % 2 * 4) & 15;
    out[i] = static_cast<float>(kCodesFp4[code]) * half_ue4m3(block.scales[i / 16]);
  }
}

}  // namespace issun
