// Formats whose groups have a scale: x ~ scale * code, codes being whole numbers or a table.
#include <array>

#include "quantize/block_search.h"
#include "quantize/codes.h"
#include "quantize/encode_blocks.h"

namespace issun::quantize {

namespace {

// What the value of the largest magnitude is tried to become: a code about the lowest, which the
// format has one more of, and about the highest. Beyond them it is cut off.
constexpr int kTriesOfScale = 24;
using Tries = std::array<float, kTriesOfScale>;
constexpr Tries tries_of(float lowest, float highest, float step) {
  Tries tries{};
  for (int i = 0; i < kTriesOfScale / 2; ++i) {
    const float off = step * static_cast<float>(i - kTriesOfScale / 4);
    tries[static_cast<size_t>(i)] = lowest - off;
    tries[static_cast<size_t>(kTriesOfScale / 2 + i)] = highest + off;
  }
  return tries;
}

// The best scale of a group by itself.
template <class Codes>
float fit_group(const Part& part, const Group& group, const Codes& codes, const Tries& tries) {
  const float most = extreme(group);
  if (most == 0) return 0;
  Tries inverses;
  for (size_t i = 0; i < tries.size(); ++i) inverses[i] = tries[i] / most;
  return part.fit(group, codes, inverses);
}

// 32 values with a binary16 scale of their own. codes: the rounding.
template <class Codes>
uint16_t fit_single(const Part& part, const Codes& codes, const Tries& tries, int8_t* out) {
  const Group group = part.group(0, 32);
  const uint16_t d = held_f16(fit_group(part, group, codes, tries));
  part.round(group, codes, f16_to_f32(d), out);
  return d;
}

// A block of 256: groups whose scales are whole multiples of the block's.
struct ScaleBlock {
  uint16_t d = 0;
  int8_t scales[16] = {};
  int8_t codes[256] = {};
};

template <class Codes>
class ScaleSearch : public BlockSearch<ScaleSearch<Codes>, ScaleBlock> {
  using Base = BlockSearch<ScaleSearch<Codes>, ScaleBlock>;

 public:
  // lowest, highest: of the whole multiples.
  ScaleSearch(const Part& part, int size, const Codes& codes, const Tries& tries, int lowest,
              int highest)
      : Base(part, size), codes_(codes), lowest_(lowest), highest_(highest) {
    part.fit_all(lanes_.groups(), codes, tries, own_);
  }

 private:
  friend Base;
  using Base::blocks, Base::errors_, Base::first, Base::in_block, Base::lanes_, Base::part_,
      Base::size_;

  kernels::Lines lines_of(const int* multiples) const {
    kernels::Lines lines = {};
    for (int g = 0; g < 16; ++g) lines.scales[g] = d_[g] * static_cast<float>(multiples[g]);
    return lines;
  }

  void start() {
    for (int b = 0; b < blocks(); ++b) {
      float most = 0;
      for (int g = first(b); g < first(b + 1); ++g) {
        if (std::fabs(own_[g]) > std::fabs(most)) most = own_[g];
      }
      set(b, held_f16(most / static_cast<float>(lowest_)));
    }
    for (int g = 0; g < 16; ++g) {
      const float multiple = d_[g] != 0 ? std::floor(own_[g] / d_[g] + 0.5f) : 0;
      scales_[g] = static_cast<int>(
          std::clamp(multiple, static_cast<float>(lowest_), static_cast<float>(highest_)));
    }
  }

  void set(int b, uint16_t d) {
    block_d_[b] = d;
    std::fill(d_ + first(b), d_ + first(b + 1), f16_to_f32(d));
  }

  // The best multiple of each group near the one it has, or with the sign turned: the codes have
  // one more on one side.
  void climb() {
    constexpr int kTurned = 0;
    int near[16], tried[16];
    std::copy_n(scales_, 16, near);
    part_.errors(lanes_.groups(), codes_, lines_of(scales_), errors_);
    for (const int step : {1, -1, 2, -2, kTurned}) {
      for (int g = 0; g < 16; ++g)
        tried[g] = std::clamp(step == kTurned ? -near[g] : near[g] + step, lowest_, highest_);
      float found[16];
      part_.errors(lanes_.groups(), codes_, lines_of(tried), found);
      for (int g = 0; g < 16; ++g) {
        const bool better = found[g] < errors_[g];
        errors_[g] = better ? found[g] : errors_[g];
        scales_[g] = better ? tried[g] : scales_[g];
      }
    }
  }

  void sums(kernels::CodeSums* out) const {
    part_.sums(lanes_.groups(), codes_, lines_of(scales_), out);
  }

  void keep(int b, ScaleBlock* block) const {
    block->d = block_d_[b];
    for (int k = 0; k < in_block(); ++k)
      block->scales[k] = static_cast<int8_t>(scales_[first(b) + k]);
  }

  void round_all(int b, ScaleBlock* block) const {
    const float d = f16_to_f32(block->d);
    for (int k = 0; k < in_block(); ++k) {
      part_.round(part_.group((first(b) + k) * size_, size_), codes_,
                  d * static_cast<float>(block->scales[k]), block->codes + k * size_);
    }
  }

  // The least squares of d with everything else as it is. False where nothing moves.
  bool refit(int b, const kernels::CodeSums& sums) {
    double products = 0, squares = 0;
    for (int g = first(b); g < first(b + 1); ++g) {
      const double s = scales_[g];
      products += s * static_cast<double>(sums.xq[g]);
      squares += s * s * static_cast<double>(sums.qq[g]);
    }
    if (!(squares > 0)) return false;
    const uint16_t d = held_f16(products / squares);
    if (d == block_d_[b]) return false;
    set(b, d);
    return true;
  }

  const Codes& codes_;
  const int lowest_, highest_;
  uint16_t block_d_[2] = {};
  // Of each group.
  float own_[16], d_[16];
  int scales_[16];
};

template <class Codes>
void fit_blocks(const Part& part, int size, const Codes& codes, const Tries& tries, int lowest,
                int highest, ScaleBlock (&found)[2]) {
  ScaleSearch<Codes>(part, size, codes, tries, lowest, highest).search(found);
}

constexpr Tries kTries4 = tries_of(-4, 3, 0.15f);
constexpr Tries kTries8 = tries_of(-8, 7, 0.2f);
constexpr Tries kTries16 = tries_of(-16, 15, 0.25f);
constexpr Tries kTries32 = tries_of(-32, 31, 0.3f);
constexpr Tries kTriesIq4 = tries_of(-127, 113, 3.5f);

}  // namespace

void encode(const Part& part, BlockQ4_0* block) {
  int8_t codes[32];
  block->d = fit_single(part, Range{-8, 7}, kTries8, codes);
  set_codes(codes, block);
}

void encode(const Part& part, BlockQ5_0* block) {
  int8_t codes[32];
  block->d = fit_single(part, Range{-16, 15}, kTries16, codes);
  set_codes(codes, block);
}

// Cutting off pays nothing with so many steps: the largest value is 127, then once the least
// squares.
void encode(const Part& part, BlockQ8_0* block) {
  const Group group = part.group(0, 32);
  const Range range = {-127, 127};
  const float inverse = extreme(group) != 0 ? 127 / std::fabs(extreme(group)) : 0;
  const uint16_t plain = held_f16(std::fabs(extreme(group)) / 127);
  const uint16_t fitted = held_f16(part.fit(group, range, {&inverse, 1}));
  const bool better =
      part.error(group, range, f16_to_f32(fitted)) < part.error(group, range, f16_to_f32(plain));
  block->d = better ? fitted : plain;
  part.round(group, range, f16_to_f32(block->d), block->q);
}

void encode(const Part& part, BlockIQ4_NL* block) {
  int8_t codes[32];
  block->d = fit_single(part, kLevelsIq4, kTriesIq4, codes);
  set_codes(codes, block);
}

void encode(const Part& part, BlockQ3_K* block) {
  ScaleBlock all[2];
  fit_blocks(part, 16, Range{-4, 3}, kTries4, -32, 31, all);
  ScaleBlock& found = all[0];
  block->d = found.d;
  set_codes(found.codes, block);
  std::memset(block->scales, 0, sizeof block->scales);
  for (int g = 0; g < 16; ++g) {
    const int scale = found.scales[g] + 32;
    block->scales[g % 8] |= static_cast<uint8_t>((scale & 15) << (g / 8 * 4));
    block->scales[8 + g % 4] |= static_cast<uint8_t>(scale >> 4 << (g / 4 * 2));
  }
}

void encode(const Part& part, BlockQ6_K* block) {
  ScaleBlock all[2];
  fit_blocks(part, 16, Range{-32, 31}, kTries32, -128, 127, all);
  ScaleBlock& found = all[0];
  block->d = found.d;
  std::memcpy(block->scales, found.scales, 16);
  set_codes(found.codes, block);
}

void encode(const Part& part, Two<BlockIQ4_XS>* two) {
  ScaleBlock found[2];
  fit_blocks(part, 32, kLevelsIq4, kTriesIq4, -32, 31, found);
  for (int b = 0; b < 2; ++b) {
    BlockIQ4_XS& block = two->blocks[b];
    block.d = found[b].d;
    block.scales_high = 0;
    std::memset(block.scales_low, 0, sizeof block.scales_low);
    for (int g = 0; g < 8; ++g) {
      const int scale = found[b].scales[g] + 32;
      block.scales_low[g / 2] |= static_cast<uint8_t>((scale & 15) << (g % 2 * 4));
      block.scales_high |= static_cast<uint16_t>(scale >> 4 << (2 * g));
    }
    set_codes(found[b].codes, &block);
  }
}

}  // namespace issun::quantize
