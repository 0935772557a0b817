#include "tensor/decode_iq.h"

#include <cstring>

#include "tensor/codebooks.h"
#include "tensor/half.h"

namespace issun {

namespace {

// `count` values of a codebook, those with a sign bit set negative.
void decode_entry(const int8_t* values, int count, int signs, float scale, float* out) {
  for (int i = 0; i < count; ++i) {
    const int value = (signs >> i & 1) != 0 ? -values[i] : values[i];
    out[i] = scale * static_cast<float>(value);
  }
}

// The eight values of a quarter of IQ1_S and IQ1_M.
void decode_iq1(int place, bool below, float scale, float* out) {
  for (int i = 0; i < 8; ++i) {
    out[i] =
        scale * (static_cast<float>(kCodebookIq1.values[place][i]) + (below ? -0.125f : 0.125f));
  }
}

float scale_iq2(uint16_t d, int scale) {
  return f16_to_f32(d) * (0.5f + static_cast<float>(scale)) * 0.25f;
}

float odd_scale(uint16_t d, int scale) { return f16_to_f32(d) * static_cast<float>(1 + 2 * scale); }

int low_or_high(const uint8_t* nibbles, int i) { return nibbles[i / 2] >> (i % 2 * 4) & 15; }

}  // namespace

void decode(const BlockIQ4_NL& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>(kCodesIq4[block.nibbles[i] & 15]);
    out[i + 16] = d * static_cast<float>(kCodesIq4[block.nibbles[i] >> 4]);
  }
}

void decode(const BlockIQ4_XS& block, float* out) {
  for (int g = 0; g < 8; ++g) {
    const int scale = low_or_high(block.scales_low, g) | (block.scales_high >> 2 * g & 3) << 4;
    const float d = f16_to_f32(block.d) * static_cast<float>(scale - 32);
    for (int i = 0; i < 16; ++i) {
      const int pair = block.nibbles[16 * g + i];
      out[32 * g + i] = d * static_cast<float>(kCodesIq4[pair & 15]);
      out[32 * g + i + 16] = d * static_cast<float>(kCodesIq4[pair >> 4]);
    }
  }
}

void decode(const BlockIQ2_XXS& block, float* out) {
  for (int g = 0; g < 8; ++g) {
    uint8_t places[4];
    uint32_t signs;
    std::memcpy(places, block.groups[g], 4);
    std::memcpy(&signs, block.groups[g] + 2, 4);
    const float scale = scale_iq2(block.d, static_cast<int>(signs >> 28));
    for (int j = 0; j < 4; ++j, out += 8) {
      decode_entry(kCodebookIq2Xxs.values[places[j]], 8, even_signs(signs >> 7 * j & 127), scale,
                   out);
    }
  }
}

void decode(const BlockIQ2_XS& block, float* out) {
  for (int j = 0; j < 32; ++j, out += 8) {
    const float scale = scale_iq2(block.d, low_or_high(block.scales, j / 2));
    decode_entry(kCodebookIq2Xs.values[block.quarters[j] & 511], 8,
                 even_signs(block.quarters[j] >> 9), scale, out);
  }
}

void decode(const BlockIQ2_S& block, float* out) {
  for (int j = 0; j < 32; ++j, out += 8) {
    const float scale = scale_iq2(block.d, low_or_high(block.scales, j / 2));
    const int place = block.low[j] | (block.high[j / 4] >> (j % 4 * 2) & 3) << 8;
    decode_entry(kCodebookIq2S.values[place], 8, block.signs[j], scale, out);
  }
}

void decode(const BlockIQ3_XXS& block, float* out) {
  for (int g = 0; g < 8; ++g) {
    uint32_t signs;
    std::memcpy(&signs, block.groups[g], 4);
    const float scale = f16_to_f32(block.d) * (0.5f + static_cast<float>(signs >> 28)) * 0.5f;
    for (int i = 0; i < 8; ++i, out += 4) {
      decode_entry(kCodebookIq3Xxs.values[block.places[8 * g + i]], 4,
                   even_signs(signs >> (i / 2 * 7) & 127) >> (i % 2 * 4), scale, out);
    }
  }
}

void decode(const BlockIQ3_S& block, float* out) {
  for (int i = 0; i < 64; ++i, out += 4) {
    const int place = block.low[i] | (block.high[i / 8] >> i % 8 & 1) << 8;
    decode_entry(kCodebookIq3S.values[place], 4, block.signs[i / 2] >> (i % 2 * 4),
                 odd_scale(block.d, low_or_high(block.scales, i / 8)), out);
  }
}

void decode(const BlockIQ1_S& block, float* out) {
  for (int j = 0; j < 32; ++j, out += 8) {
    const int high = block.high[j / 4];
    decode_iq1(block.low[j] | (high >> (j % 4 * 3) & 7) << 8, (high & 0x8000) != 0,
               odd_scale(block.d, high >> 12 & 7), out);
  }
}

void decode(const BlockIQ1_M& block, float* out) {
  const uint16_t d = scale_iq1_m(block.scales);
  for (int j = 0; j < 32; ++j, out += 8) {
    const int high = low_or_high(block.high, j);
    const int scale = block.scales[j / 8] >> (j / 2 % 4 * 3) & 7;
    decode_iq1(block.low[j] | (high & 7) << 8, (high & 8) != 0, odd_scale(d, scale), out);
  }
}

}  // namespace issun
