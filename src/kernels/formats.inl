// What a format has to say: how 256 weights (a unit) give their scales and, 64 at a time, their
// integers. Nothing but the files included below knows the bits; formats_unpacked.inl has the rare
// formats. Layouts: tensor/blocks.h.
//
// A format has
// - kType: its DType id;
// - kBlock, kBytes: columns and bytes of a block; a unit is 256 / kBlock blocks;
// - kGroup: weights that share a scale, 32 or 16;
// - kSigned: weights<c>() are signed bytes; otherwise they are 0..127 and kZero stands for zero;
// - kMost, if kSigned: no integer is further from zero;
// - kPairSums, unless kSigned: sums of so many pairs of products fit into 16 bits;
// - kMins: whether each group also has an offset that is subtracted;
// - kIntegerScales: scales are a number times small integers;
// - scales(unit): 16 floats, a scale for each group;
// - mins(unit): with Mins::kFloats, 16 floats, an offset for each group, zeros above them; with
//   Mins::kIntegers they are the upper half of scales(unit) instead;
// - weights<c>(unit): integers of the columns [64 c, 64 c + 64).
// Panels of 16 rows come from bits that became columns before they became weights, which is half of
// the work, where a format has
// - kNibbleRun and nibble_line<h>(unit): 64 bytes whose nibbles are columns [128 h, 128 h + 128);
//   the low ones of so many words are a run of columns, then come their high ones;
// - codes(nibbles): the weights of nibbles, where they are not the nibbles themselves;
// - high_line(unit): 64 bytes that hold what stands above the nibbles, and
//   high_bits<h, q, nibble>(line): of the low (0) or high (1) nibbles of word q of nibble_line<h>;
//   line[i] holds word i of high_line of each row;
// - scale_columns(units, scales): scales(unit) of 16 rows. With Mins::kIntegers a must, and then
//   also for the mins, in pairs of groups, and for min_scale(unit).
// With kIntegerScales also
// - integers(unit): 16 of them, a scale for each group, above them with Mins::kIntegers 8 mins;
// - scale(unit), with Mins::kIntegers also min_scale(unit): what they are multiples of;
// - halves<h>(unit, w): 128 weights as w[0] and w[1]: the columns [128 h + 64 i, ...) of w[i], but
//   with groups of 32 in the order of Q8Block::q_pairs.
#pragma once

#include "tensor/dtype.h"

namespace issun::kernels {
namespace {

using namespace simd;

constexpr int kUnit = 256;

// One function for all formats, which a compiler would like to have a copy of for each.
#ifdef __clang__
#define ISSUN_SHARED __attribute__((noinline))
#else
#define ISSUN_SHARED __attribute__((noinline, noclone))
#endif

enum class Mins {
  kNone,
  kFloats,
  kIntegers,  // of groups of 32 with integer scales
};

inline uint16_t load_u16(const uint8_t* p) {
  uint16_t h;
  __builtin_memcpy(&h, p, 2);
  return h;
}
inline uint32_t load_u32(const uint8_t* p) {
  uint32_t word;
  __builtin_memcpy(&word, p, 4);
  return word;
}

// Asks for the `bytes` bytes that lie `ahead` bytes after `row`, which may be none of the file's;
// 0: for nothing.
template <int bytes>
inline void ask_ahead(const uint8_t* row, int64_t ahead) {
  if (ahead == 0) return;
  const uintptr_t from = reinterpret_cast<uintptr_t>(row) + static_cast<uintptr_t>(ahead);
  for (uintptr_t line = 0; line < bytes; line += 64)
    prefetch(reinterpret_cast<const void*>(from + line));
}

// Number formats without blocks: 16 weights as floats.
struct F32 {
  static constexpr DType kType = DType::F32;
  static constexpr int kBlock = 1, kBytes = 4;
  static F32x16 load16(const uint8_t* p) { return load(reinterpret_cast<const float*>(p)); }
  static void store16(void* p, F32x16 a) { store(static_cast<float*>(p), a); }
};
struct F16 {
  static constexpr DType kType = DType::F16;
  static constexpr int kBlock = 1, kBytes = 2;
  static F32x16 load16(const uint8_t* p) { return load_f16(p); }
  static void store16(void* p, F32x16 a) { store_f16(p, a); }
};
struct BF16 {
  static constexpr DType kType = DType::BF16;
  static constexpr int kBlock = 1, kBytes = 2;
  static F32x16 load16(const uint8_t* p) { return load_bf16(p); }
  static void store16(void* p, F32x16 a) { store_bf16(p, a); }
};

// f.operator()<0>(), ..., f.operator()<n - 1>()
template <int n, int i = 0, class Body>
__attribute__((always_inline)) inline void unrolled(Body&& body) {
  if constexpr (i < n) {
    body.template operator()<i>();
    unrolled<n, i + 1>(body);
  }
}

template <class Format>
constexpr int kUnitBytes = kUnit / Format::kBlock* Format::kBytes;

// The last unit of a row whose columns are no multiple of 256, filled up with zero bytes (whose
// scales or codes are zero), so that nothing is read beyond the row.
template <class Format>
struct TailUnit {
  uint8_t bytes[kUnitBytes<Format>];
  TailUnit(const uint8_t* unit, int columns) {
    const int used = columns / Format::kBlock * Format::kBytes;
    __builtin_memset(bytes, 0, sizeof bytes);
    __builtin_memcpy(bytes, unit, static_cast<size_t>(used));
  }
};

}  // namespace
}  // namespace issun::kernels

#include "kernels/formats_32.inl"
#include "kernels/formats_k.inl"
#include "kernels/formats_unpacked.inl"
