#include "quantize/hqq.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "quantize/groups.h"
#include "quantize/line_block.h"

namespace issun::quantize {

namespace {

// As the authors have them.
constexpr float kNorm = 0.7f, kFirstBeta = 10, kGrowth = 1.01f;
constexpr int kIterations = 20;

struct Values {
  const float* x;
  int n;
};

float code_of(float x, const Line& line, float highest) {
  return std::nearbyint(std::clamp((x - line.offset) / line.scale, 0.0f, highest));
}

// What of an error counts as an outlier's: the proximal step of |x|^p.
float shrink(float x, float beta) {
  const float size = std::fabs(x);
  if (size == 0) return 0;
  return std::copysign(std::max(0.0f, size - std::pow(size, kNorm - 1) / beta), x);
}

// The offset to go with a scale. Errors are taken in steps of the scale, so that a group in other
// units has the same codes. below_zero: it must not be above 0.
float best_offset(const Values& values, Line line, float highest, bool below_zero) {
  if (!(line.scale > 0)) return below_zero ? std::min(0.0f, line.offset) : line.offset;
  float beta = kFirstBeta, best = line.offset;
  double least = 1e300;
  for (int i = 0; i < kIterations; ++i, beta *= kGrowth) {
    double errors = 0, offsets = 0;
    for (int k = 0; k < values.n; ++k) {
      const float nearest = line.scale * code_of(values.x[k], line, highest);
      const float error = values.x[k] - nearest - line.offset;
      errors += std::fabs(static_cast<double>(error));
      offsets += static_cast<double>(values.x[k] - nearest -
                                     line.scale * shrink(error / line.scale, beta));
    }
    if (!(errors < least)) break;
    least = errors;
    best = line.offset;
    line.offset = static_cast<float>(offsets / values.n);
    if (below_zero) line.offset = std::min(0.0f, line.offset);
  }
  return best;
}

Line extremes(const Values& values, float highest, bool below_zero) {
  const auto [least, most] = std::minmax_element(values.x, values.x + values.n);
  const float offset = below_zero ? std::min(0.0f, *least) : *least;
  return {(*most - offset) / highest, offset};
}

void round(const Values& values, const Line& line, float highest, int8_t* codes) {
  for (int i = 0; i < values.n; ++i)
    codes[i] =
        line.scale > 0 ? static_cast<int8_t>(code_of(values.x[i], line, highest)) : int8_t{0};
}

// 32 values, both numbers binary16: Q4_1 and Q5_1.
template <class Block>
void encode_single(const float* x, float highest, Block* block) {
  const Values values = {x, 32};
  Line line = extremes(values, highest, false);
  block->d = held_f16(line.scale);
  line.scale = f16_to_f32(block->d);
  block->m = held_f16(best_offset(values, line, highest, false));
  line.offset = f16_to_f32(block->m);
  int8_t codes[32];
  round(values, line, highest, codes);
  set_codes(codes, block);
}

uint8_t whole(float x, float unit, int most) {
  if (!(unit > 0)) return 0;
  return static_cast<uint8_t>(std::clamp(std::nearbyint(x / unit), 0.0f, static_cast<float>(most)));
}

// 256 values in groups of `size`.
template <class Block>
void encode_groups(const float* x, int size, float highest, int most, Block* block) {
  LineBlock found;
  Line lines[16];
  float most_scale = 0, most_min = 0;
  const int groups = 256 / size;
  for (int g = 0; g < groups; ++g) {
    lines[g] = extremes({x + g * size, size}, highest, true);
    most_scale = std::max(most_scale, lines[g].scale);
  }
  found.d = held_f16(most_scale / static_cast<float>(most));
  for (int g = 0; g < groups; ++g) {
    const float d = f16_to_f32(found.d);
    found.scales[g] = whole(lines[g].scale, d, most);
    lines[g].scale = d * static_cast<float>(found.scales[g]);
    lines[g].offset = best_offset({x + g * size, size}, lines[g], highest, true);
    most_min = std::max(most_min, -lines[g].offset);
  }
  found.dmin = held_f16(most_min / static_cast<float>(most));
  for (int g = 0; g < groups; ++g) {
    const float dmin = f16_to_f32(found.dmin);
    found.mins[g] = whole(-lines[g].offset, dmin, most);
    lines[g].offset = -dmin * static_cast<float>(found.mins[g]);
    round({x + g * size, size}, lines[g], highest, found.codes + g * size);
  }
  pack(found, block);
}

void encode(const float* x, BlockQ4_1* block) { encode_single(x, 15, block); }
void encode(const float* x, BlockQ5_1* block) { encode_single(x, 31, block); }
void encode(const float* x, BlockQ2_K* block) { encode_groups(x, 16, 3, 15, block); }
void encode(const float* x, BlockQ4_K* block) { encode_groups(x, 32, 15, 63, block); }
void encode(const float* x, BlockQ5_K* block) { encode_groups(x, 32, 31, 63, block); }

template <class Block>
void encode_blocks(const float* values, int64_t columns, int size, std::byte* row) {
  for (int64_t first = 0; first < columns; first += size, row += sizeof(Block)) {
    Block block;
    encode(values + first, &block);
    std::memcpy(row, &block, sizeof block);
  }
}

}  // namespace

bool has_zero_point(DType type) {
  return type == DType::Q4_1 || type == DType::Q5_1 || type == DType::Q2_K || type == DType::Q4_K ||
         type == DType::Q5_K;
}

void encode_row_hqq(DType type, const float* values, int64_t columns, std::byte* row) {
  switch (type) {
    case DType::Q4_1:
      return encode_blocks<BlockQ4_1>(values, columns, 32, row);
    case DType::Q5_1:
      return encode_blocks<BlockQ5_1>(values, columns, 32, row);
    case DType::Q2_K:
      return encode_blocks<BlockQ2_K>(values, columns, 256, row);
    case DType::Q4_K:
      return encode_blocks<BlockQ4_K>(values, columns, 256, row);
    case DType::Q5_K:
      return encode_blocks<BlockQ5_K>(values, columns, 256, row);
    default:
      CHECK_THAT(has_zero_point(type));
  }
}

}  // namespace issun::quantize
