// The searches of search.h, once. Included, after a vocabulary, by isa/search/*.cpp.
#pragma once

#include "kernels/search_tasks.h"

namespace issun::kernels {
namespace {

using namespace simd;

// To the nearest, ties to even, for |x| < 2^22: the sum has no room for a fraction.
inline F32x16 nearest(F32x16 x) {
  const F32x16 shift = splat(12582912.0f);  // 1.5 * 2^23
  return sub(add(x, shift), shift);
}

// Codes of 16 values x * inverse: whole numbers within a range.
struct Whole {
  F32x16 lowest, highest;
  explicit Whole(const Range& range) : lowest(splat(range.lowest)), highest(splat(range.highest)) {}
  F32x16 value(F32x16 y) const { return nearest(min(max(y, lowest), highest)); }
  F32x16 code(F32x16 y) const { return value(y); }
};

// The nearest of ascending levels.
struct Table {
  const Levels& levels;
  F32x16 value(F32x16 y) const {
    F32x16 nearest_level = splat(levels.values[0]);
    for (int k = 1; k < levels.count; ++k) {
      const F32x16 step = splat(levels.values[k] - levels.values[k - 1]);
      nearest_level = add(nearest_level, zero_where_below(y, splat(levels.middles[k - 1]), step));
    }
    return nearest_level;
  }
  F32x16 code(F32x16 y) const {
    F32x16 place = zero_f32();
    const F32x16 one = splat(1.0f);
    for (int k = 1; k < levels.count; ++k)
      place = add(place, zero_where_below(y, splat(levels.middles[k - 1]), one));
    return place;
  }
};

// 0 where the scale is too small to divide by.
inline float inverse_of(float scale) {
  const float inverse = 1 / scale;
  return inverse - inverse == 0 ? inverse : 0;
}

struct Explained {
  float xq, qq;  // weighted sums of x * code and code^2
};

template <class Codes>
inline Explained explain(const Group& group, const Codes& codes, float inverse) {
  const F32x16 factor = splat(inverse);
  F32x16 xq = zero_f32(), qq = zero_f32();
  for (int i = 0; i < group.n; i += 16) {
    const F32x16 x = load(group.x + i);
    const F32x16 q = codes.value(mul(x, factor));
    const F32x16 wq = mul(load(group.weights + i), q);
    xq = add(xq, mul(wq, x));
    qq = add(qq, mul(wq, q));
  }
  return {sum(xq), sum(qq)};
}

template <class Codes>
inline float fit_scale(const Group& group, const Codes& codes, const float* inverses, int tries,
                       int polish) {
  Explained best = {0, 1};
  const auto better = [&](Explained found) {
    if (!(found.qq > 0 && found.xq * found.xq * best.qq > best.xq * best.xq * found.qq))
      return false;
    best = found;
    return true;
  };
  for (int k = 0; k < tries; ++k) better(explain(group, codes, inverses[k]));
  if (best.xq == 0) return 0;
  for (int k = 0; k < polish; ++k) {
    if (!better(explain(group, codes, best.qq / best.xq))) break;
  }
  return best.xq / best.qq;
}

float fit_range(const Group* group, const Range* range, const float* inverses, int tries,
                int polish) {
  return fit_scale(*group, Whole(*range), inverses, tries, polish);
}

float fit_levels(const Group* group, const Levels* levels, const float* inverses, int tries,
                 int polish) {
  return fit_scale(*group, Table{*levels}, inverses, tries, polish);
}

// x is taken from its smallest value on, so that the sums keep their digits.
class LineSearch {
 public:
  LineSearch(const Group& group, float highest, bool below_zero)
      : group_(group), codes_(Range{0, highest}), below_zero_(below_zero) {
    F32x16 low = load(group.x), high = low;
    for (int i = 16; i < group.n; i += 16) {
      low = min(low, load(group.x + i));
      high = max(high, load(group.x + i));
    }
    low_ = -largest(sub(zero_f32(), low));
    high_ = largest(high);
    if (below_zero && low_ > 0) low_ = 0;
    const F32x16 from = splat(low_);
    F32x16 w = zero_f32(), y = zero_f32();
    for (int i = 0; i < group.n; i += 16) {
      const F32x16 weights = load(group.weights + i);
      w = add(w, weights);
      y = add(y, mul(weights, sub(load(group.x + i), from)));
    }
    w_ = sum(w);
    y_ = sum(y);
  }

  Line search(const float* tried, int tries, int polish) {
    const float range = high_ - low_;
    if (!(range > 0)) return {0, low_};
    best_ = {range / codes_highest(), low_};
    for (int k = 0; k < tries; ++k) attempt(tried[k] / range, 0);
    for (int k = 0; k < polish && best_.scale > 0; ++k) {
      if (!attempt(1 / best_.scale, best_.offset - low_)) break;
    }
    return best_;
  }

 private:
  float codes_highest() const {
    alignas(64) float lanes[16];
    store(lanes, codes_.highest);
    return lanes[0];
  }

  // Rounds (x - low - offset) * inverse, solves for the line, keeps it if it is the best so far.
  bool attempt(float inverse, float offset) {
    const F32x16 factor = splat(inverse), from = splat(low_), start = splat(low_ + offset);
    F32x16 q1 = zero_f32(), q2 = zero_f32(), yq1 = zero_f32();
    for (int i = 0; i < group_.n; i += 16) {
      const F32x16 x = load(group_.x + i);
      const F32x16 q = codes_.value(mul(sub(x, start), factor));
      const F32x16 wq = mul(load(group_.weights + i), q);
      q1 = add(q1, wq);
      q2 = add(q2, mul(wq, q));
      yq1 = add(yq1, mul(wq, sub(x, from)));
    }
    const double w = w_, y = y_, q = sum(q1), qq = sum(q2), yq = sum(yq1);
    const double determinant = w * qq - q * q;
    if (!(determinant > 0)) return false;
    double scale = (w * yq - y * q) / determinant;
    double moved = (qq * y - q * yq) / determinant;
    if (below_zero_ && low_ + moved > 0) {
      moved = -static_cast<double>(low_);
      scale = (yq - moved * q) / qq;
    }
    // What the line explains of the sum of squares of x - low.
    const double explained = 2 * (scale * yq + moved * y) - scale * scale * qq -
                             2 * scale * moved * q - moved * moved * w;
    if (!(scale > 0 && explained > explained_)) return false;
    explained_ = explained;
    best_ = {static_cast<float>(scale), static_cast<float>(low_ + moved)};
    return true;
  }

  const Group& group_;
  const Whole codes_;
  const bool below_zero_;
  float low_, high_, w_, y_;
  Line best_{};
  double explained_ = -1e300;
};

Line fit_line(const Group* group, float highest, const float* tried, int tries, int polish,
              bool below_zero) {
  return LineSearch(*group, highest, below_zero).search(tried, tries, polish);
}

template <class Codes>
inline float error_of(const Group& group, const Codes& codes, Line line) {
  const F32x16 inverse = splat(inverse_of(line.scale)), scale = splat(line.scale),
               offset = splat(line.offset);
  F32x16 error = zero_f32();
  for (int i = 0; i < group.n; i += 16) {
    const F32x16 x = sub(load(group.x + i), offset);
    const F32x16 off = sub(x, mul(scale, codes.value(mul(x, inverse))));
    error = add(error, mul(load(group.weights + i), mul(off, off)));
  }
  return sum(error);
}

float error_range(const Group* group, const Range* range, Line line) {
  return error_of(*group, Whole(*range), line);
}

float error_levels(const Group* group, const Levels* levels, float scale) {
  return error_of(*group, Table{*levels}, {scale, 0});
}

template <class Codes>
inline void round_all(const Group& group, const Codes& codes, Line line, int8_t* out) {
  const F32x16 inverse = splat(inverse_of(line.scale)), offset = splat(line.offset);
  for (int i = 0; i < group.n; i += 16) {
    const F32x16 x = sub(load(group.x + i), offset);
    store_bytes(out + i, round_to_i32(codes.code(mul(x, inverse))));
  }
}

void round_range(const Group* group, const Range* range, Line line, int8_t* codes) {
  round_all(*group, Whole(*range), line, codes);
}

void round_levels(const Group* group, const Levels* levels, float scale, int8_t* codes) {
  round_all(*group, Table{*levels}, {scale, 0}, codes);
}

// What follows has a group in each lane.

// Lane by lane a where x is at least the limit or not a number, else b.
inline F32x16 choose_at_least(F32x16 x, F32x16 limit, F32x16 a, F32x16 b) {
  const F32x16 one = splat(1.0f), half = splat(0.5f);
  const F32x16 holds = zero_where_below(x, limit, one);
  return add(zero_where_below(holds, half, a), zero_where_below(sub(one, holds), half, b));
}

void side_by_side(const float* from, int n, float* to) {
  for (int i = 0; i < n; i += 16) {
    F32x16 tile[16];
    for (int g = 0; g < 16; ++g) tile[g] = load(from + g * n + i);
    transpose(tile);
    for (int k = 0; k < 16; ++k) store(to + 16 * (i + k), tile[k]);
  }
}

struct LaneSums {
  F32x16 q, qq, xq;
};

// Of the codes of (x - start) * inverse; x counts from `from` on.
template <class Codes>
inline LaneSums lane_sums(const Groups& groups, const Codes& codes, F32x16 inverse, F32x16 start,
                          F32x16 from) {
  LaneSums sums = {zero_f32(), zero_f32(), zero_f32()};
  for (int i = 0; i < groups.n; ++i) {
    const F32x16 x = load(groups.x + 16 * i);
    const F32x16 q = codes.value(mul(sub(x, start), inverse));
    const F32x16 wq = mul(load(groups.weights + 16 * i), q);
    sums.q = add(sums.q, wq);
    sums.qq = add(sums.qq, mul(wq, q));
    sums.xq = add(sums.xq, mul(wq, sub(x, from)));
  }
  return sums;
}

// As LineSearch.
void fit_lines(const Groups* groups, float highest, const float* tried, int tries, int polish,
               Lines* lines) {
  const Whole codes(Range{0, highest});
  F32x16 low = zero_f32(), high = load(groups->x);
  for (int i = 0; i < groups->n; ++i) {
    low = min(low, load(groups->x + 16 * i));
    high = max(high, load(groups->x + 16 * i));
  }
  F32x16 w = zero_f32(), y = zero_f32();
  for (int i = 0; i < groups->n; ++i) {
    const F32x16 weights = load(groups->weights + 16 * i);
    w = add(w, weights);
    y = add(y, mul(weights, sub(load(groups->x + 16 * i), low)));
  }
  const F32x16 range = max(sub(high, low), zero_f32()), one = splat(1.0f);
  F32x16 best_scale = mul(range, splat(1 / highest)), best_offset = low;
  F32x16 best_explained = splat(-0x1p126f);
  const auto attempt = [&](F32x16 inverse, F32x16 start) {
    const LaneSums s = lane_sums(*groups, codes, inverse, start, low);
    const F32x16 determinant = sub(mul(w, s.qq), mul(s.q, s.q));
    F32x16 scale = div(sub(mul(w, s.xq), mul(y, s.q)), determinant);
    F32x16 moved = div(sub(mul(s.qq, y), mul(s.q, s.xq)), determinant);
    // Where the offset would be above zero it is zero.
    const F32x16 most = sub(zero_f32(), low);
    const F32x16 through_zero = div(sub(s.xq, mul(most, s.q)), s.qq);
    scale = max(choose_at_least(most, moved, scale, through_zero), zero_f32());
    moved = choose_at_least(most, moved, moved, most);
    // Of the sum of (x - low)^2; true of any line, so that one out of a poor determinant does no
    // harm.
    const F32x16 products = add(mul(scale, s.xq), mul(moved, y));
    const F32x16 squares = add(mul(scale, add(mul(scale, s.qq), mul(add(moved, moved), s.q))),
                               mul(mul(moved, moved), w));
    const F32x16 explained = sub(add(products, products), squares);
    best_scale = choose_at_least(best_explained, explained, best_scale, scale);
    best_offset = choose_at_least(best_explained, explained, best_offset, add(low, moved));
    best_explained = choose_at_least(best_explained, explained, best_explained, explained);
  };
  const F32x16 inverse_range = div(one, range);
  for (int k = 0; k < tries; ++k) attempt(mul(splat(tried[k]), inverse_range), low);
  for (int k = 0; k < polish; ++k) attempt(div(one, best_scale), best_offset);
  store(lines->scales, best_scale);
  store(lines->offsets, best_offset);
}

template <class Codes>
inline void fit_lane_scales(const Groups& groups, const Codes& codes, const float* tried, int tries,
                            int polish, float* scales) {
  F32x16 most = zero_f32();
  for (int i = 0; i < groups.n; ++i) {
    const F32x16 x = load(groups.x + 16 * i);
    most = choose_at_least(abs(most), abs(x), most, x);
  }
  const F32x16 one = splat(1.0f), inverse_most = div(one, most);
  F32x16 best_scale = zero_f32(), best_explained = zero_f32();
  const auto attempt = [&](F32x16 inverse) {
    const LaneSums s = lane_sums(groups, codes, inverse, zero_f32(), zero_f32());
    const F32x16 scale = div(s.xq, s.qq), explained = mul(scale, s.xq);
    best_scale = choose_at_least(best_explained, explained, best_scale, scale);
    best_explained = choose_at_least(best_explained, explained, best_explained, explained);
  };
  for (int k = 0; k < tries; ++k) attempt(mul(splat(tried[k]), inverse_most));
  for (int k = 0; k < polish; ++k) attempt(div(one, best_scale));
  store(scales, best_scale);
}

void fit_ranges(const Groups* groups, const Range* range, const float* tried, int tries, int polish,
                float* scales) {
  fit_lane_scales(*groups, Whole(*range), tried, tries, polish, scales);
}

void fit_tables(const Groups* groups, const Levels* levels, const float* tried, int tries,
                int polish, float* scales) {
  fit_lane_scales(*groups, Table{*levels}, tried, tries, polish, scales);
}

// As inverse_of.
inline F32x16 inverses_of(F32x16 scales) {
  return zero_where_below(abs(scales), splat(0x1p-125f), div(splat(1.0f), scales));
}

template <class Codes>
inline void lane_errors(const Groups& groups, const Codes& codes, const Lines& lines,
                        float* errors) {
  const F32x16 scale = load(lines.scales), offset = load(lines.offsets);
  const F32x16 inverse = inverses_of(scale);
  F32x16 error = zero_f32();
  for (int i = 0; i < groups.n; ++i) {
    const F32x16 y = sub(load(groups.x + 16 * i), offset);
    const F32x16 off = sub(y, mul(scale, codes.value(mul(y, inverse))));
    error = add(error, mul(load(groups.weights + 16 * i), mul(off, off)));
  }
  store(errors, error);
}

void errors_of_range(const Groups* groups, const Range* range, const Lines* lines, float* errors) {
  lane_errors(*groups, Whole(*range), *lines, errors);
}

void errors_of_levels(const Groups* groups, const Levels* levels, const Lines* lines,
                      float* errors) {
  lane_errors(*groups, Table{*levels}, *lines, errors);
}

template <class Codes>
inline void lane_code_sums(const Groups& groups, const Codes& codes, const Lines& lines,
                           CodeSums* out) {
  const LaneSums sums =
      lane_sums(groups, codes, inverses_of(load(lines.scales)), load(lines.offsets), zero_f32());
  store(out->q, sums.q);
  store(out->qq, sums.qq);
  store(out->xq, sums.xq);
}

void sums_of_range(const Groups* groups, const Range* range, const Lines* lines, CodeSums* sums) {
  lane_code_sums(*groups, Whole(*range), *lines, sums);
}

void sums_of_levels(const Groups* groups, const Levels* levels, const Lines* lines,
                    CodeSums* sums) {
  lane_code_sums(*groups, Table{*levels}, *lines, sums);
}

template <int kWidth, bool kFlipped>
inline void entry_terms_of(const Entries& entries, const float* x, const float* weights,
                           const EntryTerms& terms) {
  F32x16 w[kWidth], wx[kWidth];
  for (int i = 0; i < kWidth; ++i) {
    w[i] = splat(weights[i]);
    wx[i] = splat(weights[i] * x[i]);
  }
  for (int e = 0; e < entries.count; e += 16) {
    F32x16 product = zero_f32(), square = zero_f32(), least = splat(0x1p127f);
    for (int i = 0; i < kWidth; ++i) {
      const F32x16 value = bytes_to_f32(entries.values + i * entries.count + e);
      const F32x16 part = mul(wx[i], value);
      product = add(product, part);
      square = add(square, mul(w[i], mul(value, value)));
      if constexpr (kFlipped) least = min(least, part);
    }
    store(terms.products + e, product);
    store(terms.squares + e, square);
    if constexpr (kFlipped) store(terms.flipped + e, sub(product, add(least, least)));
  }
}

void entry_terms(const Entries* entries, const float* x, const float* weights,
                 const EntryTerms* terms) {
  const bool flipped = terms->flipped != nullptr;
  if (entries->width == 8) {
    if (flipped) return entry_terms_of<8, true>(*entries, x, weights, *terms);
    return entry_terms_of<8, false>(*entries, x, weights, *terms);
  }
  if (flipped) return entry_terms_of<4, true>(*entries, x, weights, *terms);
  entry_terms_of<4, false>(*entries, x, weights, *terms);
}

// Four scales share what is read.
inline void least_of_four(const float* products, const float* squares, int count,
                          const float* scales, float* least) {
  F32x16 found[4], square[4], minus_twice[4];
  for (int k = 0; k < 4; ++k) {
    found[k] = splat(0x1p127f);
    square[k] = splat(scales[k] * scales[k]);
    minus_twice[k] = splat(-2 * scales[k]);
  }
  for (int e = 0; e < count; e += 16) {
    const F32x16 p = load(products + e), q = load(squares + e);
    for (int k = 0; k < 4; ++k)
      found[k] = min(found[k], add(mul(square[k], q), mul(minus_twice[k], p)));
  }
  for (int k = 0; k < 4; ++k) least[k] = -largest(sub(zero_f32(), found[k]));
}

void least_terms(const float* products, const float* squares, int count, const float* scales,
                 int scale_count, float* least) {
  for (int first = 0; first < scale_count; first += 4) {
    float four[4], found[4];
    for (int k = 0; k < 4; ++k) four[k] = scales[first + k < scale_count ? first + k : first];
    least_of_four(products, squares, count, four, found);
    for (int k = 0; k < 4 && first + k < scale_count; ++k) least[first + k] = found[k];
  }
}

}  // namespace

extern const SearchTable ISSUN_SEARCHES;
constinit const SearchTable ISSUN_SEARCHES = {
    ISSUN_NAME,      fit_range,        fit_levels,    fit_line,       error_range, error_levels,
    round_range,     round_levels,     side_by_side,  fit_lines,      fit_ranges,  fit_tables,
    errors_of_range, errors_of_levels, sums_of_range, sums_of_levels, entry_terms, least_terms};

}  // namespace issun::kernels
