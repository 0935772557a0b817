#include "quantize/book_block.h"

namespace issun::quantize {

namespace {

// Four times the seven of eight signs whose last one follows, and the scale.
uint32_t pack_even_signs(const int* signs, int scale) {
  uint32_t word = static_cast<uint32_t>(scale) << 28;
  for (int j = 0; j < 4; ++j) word |= static_cast<uint32_t>(signs[j] & 127) << (7 * j);
  return word;
}

}  // namespace

void pack(const BookBlock& found, BlockIQ2_XXS* block) {
  block->d = found.d;
  for (int g = 0; g < 8; ++g) {
    uint8_t places[4];
    for (int j = 0; j < 4; ++j) places[j] = static_cast<uint8_t>(found.choices[g].entries[j]);
    const uint32_t signs = pack_even_signs(found.choices[g].signs, found.scales[g]);
    std::memcpy(block->groups[g], places, 4);
    std::memcpy(block->groups[g] + 2, &signs, 4);
  }
}

void pack(const BookBlock& found, BlockIQ2_XS* block) {
  block->d = found.d;
  for (int j = 0; j < 32; ++j) {
    const GroupChoice& choice = found.choices[j / 2];
    block->quarters[j] =
        static_cast<uint16_t>(choice.entries[j % 2] | (choice.signs[j % 2] & 127) << 9);
  }
  for (int g = 0; g < 8; ++g)
    block->scales[g] = static_cast<uint8_t>(found.scales[2 * g] | found.scales[2 * g + 1] << 4);
}

void pack(const BookBlock& found, BlockIQ2_S* block) {
  block->d = found.d;
  std::memset(block->high, 0, sizeof block->high);
  for (int j = 0; j < 32; ++j) {
    const GroupChoice& choice = found.choices[j / 2];
    block->low[j] = static_cast<uint8_t>(choice.entries[j % 2]);
    block->signs[j] = static_cast<uint8_t>(choice.signs[j % 2]);
    block->high[j / 4] |= static_cast<uint8_t>(choice.entries[j % 2] >> 8 << (j % 4 * 2));
  }
  for (int g = 0; g < 8; ++g)
    block->scales[g] = static_cast<uint8_t>(found.scales[2 * g] | found.scales[2 * g + 1] << 4);
}

void pack(const BookBlock& found, BlockIQ3_XXS* block) {
  block->d = found.d;
  for (int g = 0; g < 8; ++g) {
    const GroupChoice& choice = found.choices[g];
    int eights[4];
    for (int j = 0; j < 4; ++j) eights[j] = choice.signs[2 * j] | choice.signs[2 * j + 1] << 4;
    for (int i = 0; i < 8; ++i) block->places[8 * g + i] = static_cast<uint8_t>(choice.entries[i]);
    const uint32_t signs = pack_even_signs(eights, found.scales[g]);
    std::memcpy(block->groups[g], &signs, 4);
  }
}

void pack(const BookBlock& found, BlockIQ3_S* block) {
  block->d = found.d;
  std::memset(block->high, 0, sizeof block->high);
  std::memset(block->scales, 0, sizeof block->scales);
  for (int g = 0; g < 8; ++g) {
    const GroupChoice& choice = found.choices[g];
    for (int i = 0; i < 8; ++i) {
      block->low[8 * g + i] = static_cast<uint8_t>(choice.entries[i]);
      block->high[g] |= static_cast<uint8_t>(choice.entries[i] >> 8 << i);
    }
    for (int j = 0; j < 4; ++j)
      block->signs[4 * g + j] =
          static_cast<uint8_t>(choice.signs[2 * j] | choice.signs[2 * j + 1] << 4);
    block->scales[g / 2] |= static_cast<uint8_t>(found.scales[g] << (g % 2 * 4));
  }
}

void pack(const BookBlock& found, BlockIQ1_S* block) {
  block->d = found.d;
  for (int g = 0; g < 8; ++g) {
    const GroupChoice& choice = found.choices[g];
    int high = found.scales[g] << 12 | (choice.below[0] ? 0x8000 : 0);
    for (int j = 0; j < 4; ++j) {
      block->low[4 * g + j] = static_cast<uint8_t>(choice.entries[j]);
      high |= choice.entries[j] >> 8 << (3 * j);
    }
    block->high[g] = static_cast<uint16_t>(high);
  }
}

void pack(const BookBlock& found, BlockIQ1_M* block) {
  std::memset(block, 0, sizeof *block);
  for (int j = 0; j < 32; ++j) {
    const GroupChoice& choice = found.choices[j / 2];
    const int entry = choice.entries[j % 2];
    block->low[j] = static_cast<uint8_t>(entry);
    const int nibble = entry >> 8 | (choice.below[j % 2] ? 8 : 0);
    block->high[j / 2] |= static_cast<uint8_t>(nibble << (j % 2 * 4));
  }
  for (int g = 0; g < 16; ++g)
    block->scales[g / 4] |= static_cast<uint16_t>(found.scales[g] << (g % 4 * 3));
  for (int q = 0; q < 4; ++q)
    block->scales[q] |= static_cast<uint16_t>((found.d >> (4 * q) & 15) << 12);
}

namespace {

// Two scales a byte, the first in the low nibble.
void unpack_nibbles(const uint8_t* scales, int count, BookBlock* found) {
  for (int g = 0; g < count; ++g) found->scales[g] = scales[g / 2] >> (g % 2 * 4) & 15;
}

int top_scale(const uint16_t* words) { return words[1] >> 12; }

}  // namespace

void unpack(const BlockIQ2_XXS& block, BookBlock* found) {
  found->d = block.d;
  for (int g = 0; g < 8; ++g) found->scales[g] = top_scale(block.groups[g] + 2);
}

void unpack(const BlockIQ2_XS& block, BookBlock* found) {
  found->d = block.d;
  unpack_nibbles(block.scales, 16, found);
}

void unpack(const BlockIQ2_S& block, BookBlock* found) {
  found->d = block.d;
  unpack_nibbles(block.scales, 16, found);
}

void unpack(const BlockIQ3_XXS& block, BookBlock* found) {
  found->d = block.d;
  for (int g = 0; g < 8; ++g) found->scales[g] = top_scale(block.groups[g]);
}

void unpack(const BlockIQ3_S& block, BookBlock* found) {
  found->d = block.d;
  unpack_nibbles(block.scales, 8, found);
}

void unpack(const BlockIQ1_S& block, BookBlock* found) {
  found->d = block.d;
  for (int g = 0; g < 8; ++g) {
    found->scales[g] = block.high[g] >> 12 & 7;
    for (bool& below : found->choices[g].below) below = (block.high[g] & 0x8000) != 0;
  }
}

void unpack(const BlockIQ1_M& block, BookBlock* found) {
  found->d = scale_iq1_m(block.scales);
  for (int g = 0; g < 16; ++g) found->scales[g] = block.scales[g / 4] >> (g % 4 * 3) & 7;
}

}  // namespace issun::quantize
