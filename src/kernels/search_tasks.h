// The border of the searches behind the encoders of block formats: which scale, and which codes, a
// group of weights loses least with. C on purpose, as kernels.h. Sums are taken in the same order
// on every instruction set and nothing is fused, so that a file has the same bits wherever it is
// written. Not here: which table to use (search.h).
#pragma once

#include <stdint.h>

namespace issun::kernels {

// A group of weights x and what each squared error counts, both of n values: a multiple of 16, at
// most 256.
struct Group {
  const float *x, *weights;
  int n;
};

// Sixteen groups side by side, one in each lane: value i of group g is x[16 * i + g]. n: at
// most 32.
struct Groups {
  const float *x, *weights;
  int n;
};

// Codes that are whole numbers.
struct Range {
  float lowest, highest;
};

constexpr int kMostLevels = 16;
// Codes that are places in a table: ascending, `middles` lie between neighbours.
struct Levels {
  int count;
  float values[kMostLevels];
  float middles[kMostLevels];  // count - 1
};

// x ~ scale * code + offset.
struct Line {
  float scale, offset;
};

// `count` (a multiple of 16) entries of a codebook, transposed: value i of entry e is
// values[i * count + e]; an entry has `width` values, 4 or 8.
struct Entries {
  const int8_t* values;
  int count, width;
};

// The error of x ~ scale * entry e is scale^2 * squares[e] - 2 * scale * products[e], plus what x
// alone decides. flipped: the products where one of the signs has to be the wrong one, which is
// taken where it costs least; nullptr: not wanted.
struct EntryTerms {
  float *products, *flipped, *squares;  // (count)
};

// A line for each of sixteen groups.
struct Lines {
  float scales[16], offsets[16];
};

// For each of sixteen groups the weighted sums of the nearest codes, their squares and x * code.
struct CodeSums {
  float q[16], qq[16], xq[16];
};

struct SearchTable {
  const char* name;

  // The scale for which the codes explain most: starts from the rounding of each tried inverse
  // scale, solves for the scale, keeps the best, then rounds and solves again, `polish` times at
  // most. 0 where nothing is explained.
  float (*fit_range)(const Group*, const Range*, const float* inverses, int tries, int polish);
  float (*fit_levels)(const Group*, const Levels*, const float* inverses, int tries, int polish);
  // As fit_range with an offset, codes 0..highest; a try t stands for the inverse scale t /
  // (largest x - smallest x). below_zero: the offset must not be above 0.
  Line (*fit_line)(const Group*, float highest, const float* tried, int tries, int polish,
                   bool below_zero);
  // The weighted squared error when every x takes its nearest code.
  float (*error_range)(const Group*, const Range*, Line);
  float (*error_levels)(const Group*, const Levels*, float scale);
  // The nearest codes; of levels the places. Zeros, held in the range, where the scale is 0.
  void (*round_range)(const Group*, const Range*, Line, int8_t* codes);
  void (*round_levels)(const Group*, const Levels*, float scale, int8_t* codes);

  // (16, n) numbers, n a multiple of 16, to (n, 16).
  void (*side_by_side)(const float* from, int n, float* to);
  // As fit_line, fit_range and fit_levels for each of sixteen groups. The offsets are not above 0.
  // A try t of a scale stands for the inverse scale t / (the x of the largest magnitude).
  void (*fit_lines)(const Groups*, float highest, const float* tried, int tries, int polish,
                    Lines*);
  void (*fit_ranges)(const Groups*, const Range*, const float* tried, int tries, int polish,
                     float* scales);
  void (*fit_tables)(const Groups*, const Levels*, const float* tried, int tries, int polish,
                     float* scales);
  // As error_range and error_levels for each of sixteen groups, and the sums of the codes; the
  // offsets of levels have to be 0.
  void (*errors_of_range)(const Groups*, const Range*, const Lines*, float* errors);
  void (*errors_of_levels)(const Groups*, const Levels*, const Lines*, float* errors);
  void (*sums_of_range)(const Groups*, const Range*, const Lines*, CodeSums*);
  void (*sums_of_levels)(const Groups*, const Levels*, const Lines*, CodeSums*);

  // x, weights: `width` values, x being magnitudes where signs are kept apart.
  void (*entry_terms)(const Entries*, const float* x, const float* weights, const EntryTerms*);
  // least[k] = the least over e of scales[k]^2 * squares[e] - 2 * scales[k] * products[e].
  void (*least_terms)(const float* products, const float* squares, int count, const float* scales,
                      int scale_count, float* least);
};

}  // namespace issun::kernels
