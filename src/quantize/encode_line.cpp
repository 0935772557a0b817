// Formats whose groups have a scale and a smallest value: x ~ scale * code + offset.
#include <array>

#include "quantize/block_search.h"
#include "quantize/encode_blocks.h"
#include "quantize/line_block.h"

namespace issun::quantize {

namespace {

// The tries t of fit_line around the number of steps: a little fewer, so that the extremes are cut
// off, to a little more.
template <int kSteps, int kTries>
constexpr auto tries_about(float first, float step) {
  std::array<float, kTries> tries{};
  for (int i = 0; i < kTries; ++i)
    tries[static_cast<size_t>(i)] = kSteps + first + step * static_cast<float>(i);
  return tries;
}
constexpr auto kTries3 = tries_about<3, 20>(-0.9f, 0.1f);
constexpr auto kTries15 = tries_about<15, 14>(-1.2f, 0.25f);
constexpr auto kTries31 = tries_about<31, 14>(-1.2f, 0.25f);

std::span<const float> tries_for(float highest) {
  if (highest == 3) return kTries3;
  if (highest == 15) return kTries15;
  return kTries31;
}

// 32 values with a scale and an offset of their own, both binary16. codes: the rounding.
void fit_single(const Part& part, float highest, uint16_t* d, uint16_t* m, int8_t* codes) {
  const Group group = part.group(0, 32);
  const Range range = {0, highest};
  const std::span<const float> tries = tries_for(highest);
  const Line line = part.search.fit_line(&group, highest, tries.data(),
                                         static_cast<int>(tries.size()), Part::kPolish, false);
  *d = held_f16(line.scale);
  *m = held_f16(line.offset);
  part.search.round_range(&group, &range, {f16_to_f32(*d), f16_to_f32(*m)}, codes);
}

class LineSearch : public BlockSearch<LineSearch, LineBlock> {
 public:
  LineSearch(const Part& part, int size, float highest, int most)
      : BlockSearch(part, size), most_(most), range_{0, highest} {}

 private:
  friend BlockSearch;
  static constexpr int kPolish = 2;

  int held(int whole) const { return std::clamp(whole, 0, most_); }

  // Of each group, with so much added to its whole numbers.
  kernels::Lines lines_at(int scale_step, int min_step) const {
    kernels::Lines lines;
    for (int g = 0; g < 16; ++g) {
      lines.scales[g] = d_[g] * static_cast<float>(held(scales_[g] + scale_step));
      lines.offsets[g] = -dmin_[g] * static_cast<float>(held(mins_[g] + min_step));
    }
    return lines;
  }

  // Each group's own best line, and from their largest the numbers of the block.
  void start() {
    kernels::Lines own;
    const std::span<const float> tries = tries_for(range_.highest);
    part_.search.fit_lines(&lanes_.groups(), range_.highest, tries.data(),
                           static_cast<int>(tries.size()), kPolish, &own);
    for (int b = 0; b < blocks(); ++b) {
      float most_scale = 0, most_min = 0;
      for (int g = first(b); g < first(b + 1); ++g) {
        most_scale = std::max(most_scale, own.scales[g]);
        most_min = std::max(most_min, -own.offsets[g]);
      }
      set(b, held_f16(most_scale / static_cast<float>(most_)),
          held_f16(most_min / static_cast<float>(most_)));
    }
    for (int g = 0; g < 16; ++g) {
      scales_[g] = whole(own.scales[g], d_[g]);
      mins_[g] = whole(-own.offsets[g], dmin_[g]);
    }
  }

  void set(int b, uint16_t d, uint16_t dmin) {
    block_d_[b] = d;
    block_dmin_[b] = dmin;
    std::fill(d_ + first(b), d_ + first(b + 1), f16_to_f32(d));
    std::fill(dmin_ + first(b), dmin_ + first(b + 1), f16_to_f32(dmin));
  }

  int whole(float x, float unit) const {
    if (!(unit > 0 && x > 0)) return 0;
    return static_cast<int>(std::min(x / unit + 0.5f, static_cast<float>(most_)));
  }

  // The best whole numbers of each group near those it has.
  void climb() {
    constexpr int kSteps[9][2] = {{0, 0}, {1, 1},  {-1, -1}, {0, 1},  {0, -1},
                                  {1, 0}, {-1, 0}, {1, 2},   {-1, -2}};
    int scale_steps[16] = {}, min_steps[16] = {};
    for (const auto& [scale_step, min_step] : kSteps) {
      float found[16];
      const kernels::Lines lines = lines_at(scale_step, min_step);
      const bool first_step = scale_step == 0 && min_step == 0;
      part_.errors(lanes_.groups(), range_, lines, first_step ? errors_ : found);
      for (int g = 0; g < 16 && !first_step; ++g) {
        const bool better = found[g] < errors_[g];
        errors_[g] = better ? found[g] : errors_[g];
        scale_steps[g] = better ? scale_step : scale_steps[g];
        min_steps[g] = better ? min_step : min_steps[g];
      }
    }
    for (int g = 0; g < 16; ++g) {
      scales_[g] = held(scales_[g] + scale_steps[g]);
      mins_[g] = held(mins_[g] + min_steps[g]);
    }
  }

  void sums(kernels::CodeSums* out) const {
    part_.sums(lanes_.groups(), range_, lines_at(0, 0), out);
  }

  void keep(int b, LineBlock* block) const {
    block->d = block_d_[b];
    block->dmin = block_dmin_[b];
    for (int k = 0; k < in_block(); ++k) {
      block->scales[k] = static_cast<uint8_t>(scales_[first(b) + k]);
      block->mins[k] = static_cast<uint8_t>(mins_[first(b) + k]);
    }
  }

  void round_all(int b, LineBlock* block) const {
    const float d = f16_to_f32(block->d), dmin = f16_to_f32(block->dmin);
    for (int k = 0; k < in_block(); ++k) {
      const Group values = part_.group((first(b) + k) * size_, size_);
      const Line line = {d * static_cast<float>(block->scales[k]),
                         -dmin * static_cast<float>(block->mins[k])};
      part_.search.round_range(&values, &range_, line, block->codes + k * size_);
    }
  }

  // The least squares of d and dmin with everything else as it is. False where nothing moves.
  bool refit(int b, const kernels::CodeSums& sums) {
    double aa = 0, ab = 0, bb = 0, ax = 0, bx = 0;
    for (int g = first(b); g < first(b + 1); ++g) {
      const double s = scales_[g], m = -static_cast<double>(mins_[g]);
      aa += s * s * static_cast<double>(sums.qq[g]);
      ab += s * m * static_cast<double>(sums.q[g]);
      bb += m * m * static_cast<double>(lanes_.weight(g));
      ax += s * static_cast<double>(sums.xq[g]);
      bx += m * static_cast<double>(lanes_.sum(g));
    }
    const double determinant = aa * bb - ab * ab;
    uint16_t d = block_d_[b], dmin = block_dmin_[b];
    if (determinant > 1e-9 * aa * bb) {
      d = held_f16((ax * bb - bx * ab) / determinant);
      dmin = held_f16((bx * aa - ax * ab) / determinant);
    } else if (aa > 0) {
      d = held_f16((ax - ab * static_cast<double>(f16_to_f32(dmin))) / aa);
    }
    if ((d & 0x8000) != 0 || (dmin & 0x8000) != 0) return false;
    if (d == block_d_[b] && dmin == block_dmin_[b]) return false;
    set(b, d, dmin);
    return true;
  }

  const int most_;
  const Range range_;
  uint16_t block_d_[2] = {}, block_dmin_[2] = {};
  // Of each group.
  float d_[16], dmin_[16];
  int scales_[16], mins_[16];
};

template <class Block>
void encode_lines(const Part& part, float highest, Two<Block>* two) {
  LineBlock found[2];
  LineSearch(part, 32, highest, 63).search(found);
  for (int b = 0; b < 2; ++b) pack(found[b], &two->blocks[b]);
}

}  // namespace

void encode(const Part& part, BlockQ4_1* block) {
  int8_t codes[32];
  fit_single(part, 15, &block->d, &block->m, codes);
  set_codes(codes, block);
}

void encode(const Part& part, BlockQ5_1* block) {
  int8_t codes[32];
  fit_single(part, 31, &block->d, &block->m, codes);
  set_codes(codes, block);
}

void encode(const Part& part, BlockQ2_K* block) {
  LineBlock found[2];
  LineSearch(part, 16, 3, 15).search(found);
  pack(found[0], block);
}

void encode(const Part& part, Two<BlockQ4_K>* two) { encode_lines(part, 15, two); }
void encode(const Part& part, Two<BlockQ5_K>* two) { encode_lines(part, 31, two); }

}  // namespace issun::quantize
