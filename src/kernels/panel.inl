// Rows of weights unpacked for many tokens: a panel, in which a lane is a row.
#pragma once

#include "kernels/formats.inl"

namespace issun::kernels {
namespace {

constexpr int kPanelRows = 16 * kTileVectors;

// What the tile has to know of a format; formats that agree in it share their loops.
template <int group, bool is_signed, int zero, int pair_sums, Mins mins_kind>
struct PanelShape {
  static constexpr int kGroup = group, kZero = zero, kPairSums = pair_sums;
  static constexpr bool kSigned = is_signed;
  static constexpr Mins kMins = mins_kind;
};

// Whether a panel holds words of 16 bits.
template <class Shape>
constexpr bool kWordWeights = Shape::kSigned&& kSignedWords;

// Where the dot product takes weights of 0..255, those with a zero have it at 128; where it takes
// signed ones, nothing stands for zero. Else small signed weights are unsigned above a zero of 16
// (up to 15) or 64 (up to 63). Greater ones stay signed, bytes or where kSignedWords words: with
// AVX2 as many instructions as it takes to move their signs to the activations, but two instead of
// three of four for the ports that multiply (Q8_0, 512 tokens: 36.8 -> 29.7 ms), in WebAssembly
// half as many.
template <class Format>
constexpr bool signed_panel() {
  if constexpr (kWideDot)
    return false;
  else if constexpr (kSignedDot)
    return true;
  else if constexpr (Format::kSigned)
    return Format::kMost > 63;
  else
    return false;
}
template <class Format>
constexpr int panel_zero() {
  if constexpr (kWideDot)
    return Format::kSigned || Format::kZero != 0 ? 128 : 0;
  else if constexpr (signed_panel<Format>())
    return 0;
  else if constexpr (Format::kSigned)
    return Format::kMost < 16 ? 16 : 64;
  else
    return Format::kZero;
}
template <class Format>
constexpr int panel_pair_sums() {
  if constexpr (kWideDot || signed_panel<Format>())
    return 0;
  else if constexpr (Format::kSigned)
    return panel_zero<Format>() == 16 ? 4 : 1;  // 4 * 2 * 31 * 127 = 31496, 2 * 127 * 127 = 32258
  else
    return Format::kPairSums;
}
template <class Format>
using ShapeOf = PanelShape<Format::kGroup, signed_panel<Format>(), panel_zero<Format>(),
                           panel_pair_sums<Format>(), Format::kMins>;

// 256 columns of kPanelRows rows. Word q of a row's bytes, columns 4q..4q+3, meets the others in
// quads[v][q], or where there are products of matrices in quads[v][q / 2 * 2] and the next one.
// Where a panel holds words of 16 bits, columns 4q and 4q + 1 are in quads[v][2q] and the other two
// in quads[v][2q + 1].
template <class Shape>
struct alignas(64) Panel {
  static constexpr int kGroups = kUnit / Shape::kGroup;
  uint8_t quads[kTileVectors][kWordWeights<Shape> ? 128 : 64][64];
  float scale[kTileVectors][kGroups][16];
  float float_mins[kTileVectors][Shape::kMins == Mins::kFloats ? kGroups : 1][16];
  int16_t mins[kTileVectors][4][32];  // pairs of groups
  float min_scale[kTileVectors][16];
};

// Weights as the tile multiplies them.
template <class Format, class Weights>
inline U8x64 panel_bytes(Weights w) {
  if constexpr (Format::kSigned) {
    return plus<static_cast<int8_t>(panel_zero<Format>())>(as_unsigned(w));
  } else if constexpr (Format::kZero != 0 && kWideDot) {
    return plus<128 - Format::kZero>(w);
  } else if constexpr (Format::kZero != 0 && kSignedDot) {
    return plus<-Format::kZero>(w);
  } else {
    return w;
  }
}

// Puts panel_bytes, word q of 16 rows, where the tile reads it.
template <class Format, class Bytes>
inline void store_weights(uint8_t (*quads)[64], int q, Bytes bytes) {
  if constexpr (kWordWeights<ShapeOf<Format>>) {
    store(reinterpret_cast<int16_t*>(quads[2 * q]), pair_of_words<0>(as_signed(bytes)));
    store(reinterpret_cast<int16_t*>(quads[2 * q + 1]), pair_of_words<1>(as_signed(bytes)));
  } else {
    store(quads[q], bytes);
  }
}

// Rows of numbers, one of each row of a panel, become columns.
template <int kGroups>
inline void store_columns(F32x16 (&rows)[16], float (&columns)[kGroups][16]) {
  if constexpr (kGroups == 8) {
    // Half of each row is no scale: two times four columns by way of memory are fewer moves.
    alignas(64) float numbers[16][16];
    const uint8_t* row[16];
    for (int r = 0; r < 16; ++r) {
      store(numbers[r], rows[r]);
      row[r] = reinterpret_cast<const uint8_t*>(numbers[r]);
    }
    for (int g = 0; g < kGroups; g += 4) {
      U8x64 m[4];
      columns4(row, 4 * g, m);
      for (int i = 0; i < 4; ++i) store(columns[g + i], m[i]);
    }
  } else {
    transpose(rows);
    for (int g = 0; g < kGroups; ++g) store(columns[g], rows[g]);
  }
}

// What a nibble of word q of the nibbles' line h stands for.
template <class Format, int h, int q, int nibble>
inline auto weights_of(U8x64 nibbles, const U8x64 (&high_line)[16]) {
  if constexpr (requires { Format::codes(nibbles); })
    return Format::codes(nibbles);
  else if constexpr (requires { Format::template high_bits<h, q, nibble>(high_line); })
    return nibbles | Format::template high_bits<h, q, nibble>(high_line);
  else
    return nibbles;
}

// Where weights lie two in a byte, what becomes columns is the bytes: half as many.
template <class Format>
inline void unpack_nibbles(const uint8_t* const (&unit)[16], uint8_t (*quads)[64]) {
  constexpr int kRun = Format::kNibbleRun;
  U8x64 high[16];
  if constexpr (requires { Format::high_line(unit[0]); }) {
    for (int r = 0; r < 16; ++r) high[r] = Format::high_line(unit[r]);
    transpose(high);
  }
  unrolled<2>([&]<int h>() __attribute__((always_inline)) {
    U8x64 m[16];
    for (int r = 0; r < 16; ++r) m[r] = Format::template nibble_line<h>(unit[r]);
    transpose(m);
    unrolled<16>([&]<int q>() __attribute__((always_inline)) {
      constexpr int to = 32 * h + q + q / kRun * kRun;
      const auto low = weights_of<Format, h, q, 0>(low_nibbles(m[q]), high);
      const auto upper = weights_of<Format, h, q, 1>(high_nibbles(m[q]), high);
      store_weights<Format>(quads, to, panel_bytes<Format>(low));
      store_weights<Format>(quads, to + kRun, panel_bytes<Format>(upper));
    });
  });
}

template <class Format>
inline void unpack_weights(const uint8_t* const (&unit)[16], uint8_t (*quads)[64]) {
  if constexpr (requires { Format::kNibbleRun; }) {
    unpack_nibbles<Format>(unit, quads);
  } else {
    unrolled<4>([&]<int c>() __attribute__((always_inline)) {
      U8x64 m[16];
      for (int r = 0; r < 16; ++r) m[r] = panel_bytes<Format>(Format::template weights<c>(unit[r]));
      transpose(m);
      for (int q = 0; q < 16; ++q) store_weights<Format>(quads, 16 * c + q, m[q]);
    });
  }
}

// Scales of 16 rows, and their mins; as columns of the file's bits, where a format can do that.
template <class Format>
inline void unpack_scales(const uint8_t* const (&unit)[16], int v, Panel<ShapeOf<Format>>& panel) {
  if constexpr (Format::kMins == Mins::kIntegers) {
    Format::scale_columns(unit, panel.scale[v], panel.mins[v], panel.min_scale[v]);
  } else if constexpr (requires { Format::scale_columns(unit, panel.scale[v]); }) {
    Format::scale_columns(unit, panel.scale[v]);
  } else {
    F32x16 s[16];
    for (int r = 0; r < 16; ++r) s[r] = Format::scales(unit[r]);
    store_columns(s, panel.scale[v]);
    if constexpr (Format::kMins == Mins::kFloats) {
      for (int r = 0; r < 16; ++r) s[r] = Format::mins(unit[r]);
      store_columns(s, panel.float_mins[v]);
    }
  }
}

// 16 rows from `units`, `stride` bytes apart; those beyond `rows` repeat the last one.
template <class Format>
void unpack(const uint8_t* units, int64_t stride, int rows, int v, Panel<ShapeOf<Format>>& panel) {
  const uint8_t* unit[16];
  for (int r = 0; r < 16; ++r) unit[r] = units + (r < rows ? r : rows - 1) * stride;
  unpack_weights<Format>(unit, panel.quads[v]);
#ifdef ISSUN_MATRIX_DOT
  for (int q = 0; q < 64; q += 2) pair_words(panel.quads[v] + q);
#endif
  unpack_scales<Format>(unit, v, panel);
}

// A format to the loops that those of its shape share.
template <class Shape>
struct PanelSource {
  // `rows` rows of `columns` columns, at most 256, into lanes [16 v, 16 v + 16) of a panel.
  void (*unpack)(const uint8_t* units, int64_t stride, int rows, int columns, int v,
                 Panel<Shape>& panel);
  int unit_bytes;
};

template <class Format>
void unpack_rows(const uint8_t* units, int64_t stride, int rows, int columns, int v,
                 Panel<ShapeOf<Format>>& panel) {
  if (Format::kBlock == kUnit || columns == kUnit)
    return unpack<Format>(units, stride, rows, v, panel);
  uint8_t tails[16][kUnitBytes<Format>];
  for (int r = 0; r < rows; ++r) {
    const TailUnit<Format> tail(units + r * stride, columns);
    __builtin_memcpy(tails[r], tail.bytes, sizeof tail.bytes);
  }
  unpack<Format>(tails[0], kUnitBytes<Format>, rows, v, panel);
}

// The rare formats.
ISSUN_SHARED void unpack_unpacked(const UnpackedUnit* units, int rows, int v,
                                  Panel<ShapeOf<Unpacked>>& panel) {
  unpack<Unpacked>(reinterpret_cast<const uint8_t*>(units), sizeof(UnpackedUnit), rows, v, panel);
}

template <class Format>
void unpack_rare_rows(const uint8_t* units, int64_t stride, int rows, int columns, int v,
                      Panel<ShapeOf<Unpacked>>& panel) {
  UnpackedUnit unpacked[16];
  for (int r = 0; r < rows; ++r)
    kUnpacker<Format>.unpack(units + r * stride, columns, &unpacked[r]);
  unpack_unpacked(unpacked, rows, v, panel);
}

template <class Format>
constexpr PanelSource<ShapeOf<Format>> kPanelSource = {unpack_rows<Format>, kUnitBytes<Format>};
template <class Format>
constexpr PanelSource<ShapeOf<Unpacked>> kRarePanelSource = {unpack_rare_rows<Format>,
                                                             kUnitBytes<Format>};

}  // namespace
}  // namespace issun::kernels
