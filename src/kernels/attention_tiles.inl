// Attention of many query rows on tiles: as attention.inl, but for the products. Queries and keys
// are sums of two bf16 each, so that scores are right to some 16 bits; the exponentials and the
// values that they weigh are rounded to bf16.
#pragma once

#include "kernels/attention.inl"
#include "kernels/panel_tiles.inl"

namespace issun::kernels {
namespace {

constexpr int kTileQueryRows = 192;  // that share one conversion of keys and values
constexpr int kPositionBlocks = kPositions / kTileBlock;
constexpr int kPairsOfPositions = kPositions / 2;
constexpr int64_t kQueryPlane = kTileQueryRows * kBrainStride;

// Keys and values as floats and as panels, whose blocks of 32 columns follow each other.
struct TileAttentionScratch {
  AttentionScratch floats;  // scores and sums of kTileBlock and kTileQueryRows rows
  char* keys[2];            // (kPositionBlocks, padded key_width / 2, kTileBlock, 2): both parts
  char* values;             // (padded value_width / kTileBlock, kPairsOfPositions, kTileBlock, 2)
  char* queries;            // kTileQueryRows rows of key_width, in planes
  uint16_t* weights;        // (kTileBlock, kPositions)
};

inline int64_t key_panel_bytes(int width) { return int64_t{padded(width)} * kPositions * 2; }

int64_t attention_on_tiles_scratch_bytes(int key_width, int value_width) {
  const int64_t key = padded(key_width), value = padded(value_width);
  const int64_t floats =
      (key + value) * kPositions + kTileBlock * kPositions + kTileQueryRows * (value + 2);
  return 4 * floats + 2 * key_panel_bytes(key_width) + value * kPositions * 2 +
         kTileQueryRows * brain_row_bytes(key_width, kTilePlanes) + kTileBlock * kPositions * 2;
}

inline TileAttentionScratch cut_for_tiles(const AttentionTask& task, void* memory) {
  const int64_t key = padded(task.key_width), value = padded(task.value_width);
  auto* p = static_cast<float*>(memory);
  TileAttentionScratch s{};
  s.floats.keys = p, p += key * kPositions;
  s.floats.values = p, p += value * kPositions;
  s.floats.scores = p, p += kTileBlock * kPositions;
  s.floats.sums = p, p += kTileQueryRows * value;
  s.floats.top = p, p += kTileQueryRows;
  s.floats.total = p, p += kTileQueryRows;
  auto* bytes = reinterpret_cast<char*>(p);
  for (char*& part : s.keys) part = bytes, bytes += key_panel_bytes(task.key_width);
  s.values = bytes, bytes += value * kPositions * 2;
  s.queries = bytes, bytes += kTileQueryRows * brain_row_bytes(task.key_width, kTilePlanes);
  s.weights = reinterpret_cast<uint16_t*>(bytes);
  return s;
}

// Columns of keys become pairs of depths; depths beyond their width are zeros.
inline void pack_keys(const TileAttentionScratch& s, int width) {
  const int depths = padded(width), there = (width + 15) & -16;
  for (int lane = 0; lane < kPositions; lane += 16) {
    int64_t to = lane / kTileBlock * int64_t{depths / 2} * kTilePairBytes + lane % kTileBlock * 4;
    for (int d = 0; d < depths; d += 2, to += kTilePairBytes) {
      const float* from = s.floats.keys + d * kPositions + lane;
      const F32x16 even = d < there ? load(from) : zero_f32();
      const F32x16 odd = d < there ? load(from + kPositions) : zero_f32();
      store_pairs(s.keys[0] + to, pairs(even, odd));
      store_pairs(s.keys[1] + to, pairs(lost_in_bf16(even), lost_in_bf16(odd)));
    }
  }
}

// Rows of values become pairs of positions; positions from `used` on are zeros.
inline void pack_values(const TileAttentionScratch& s, int width, int used) {
  const int stride = padded(width);
  for (int i = 0; i < kPositions; i += 2)
    for (int c = 0; c < stride; c += 16) {
      const float* from = s.floats.values + i * stride + c;
      const F32x16 even = i < used && c < width ? load(from) : zero_f32();
      const F32x16 odd = i + 1 < used && c < width ? load(from + stride) : zero_f32();
      const int64_t to = (int64_t{c / kTileBlock} * kPairsOfPositions + i / 2) * kTilePairBytes +
                         c % kTileBlock * 4;
      store_pairs(s.values + to, pairs(even, odd));
    }
}

// Scores of at most kTileBlock rows, the first of which is `row`, in the tile whose keys are
// packed.
inline void score_block(TileUse& use, const AttentionTask& task, const TileAttentionScratch& s,
                        int row, int rows) {
  TileBlock block{};
  const int width = padded(task.key_width);
  block.a_stride = kBrainStride;
  block.rows = rows, block.columns = kTileBlock;
  block.pairs = kTileDepth / 2;
  block.out_stride = kPositions;
  for (int j = 0; j < kPositionBlocks; ++j) {
    block.out = s.floats.scores + j * kTileBlock;
    for (int d = 0; d < width; d += kBrainColumns) {
      const char* queries = s.queries + d / kBrainColumns * 2 * kQueryPlane + row * kBrainStride;
      const int64_t at = (j * int64_t{width} + d) / 2 * kTilePairBytes;
      block.steps = (width - d < kBrainColumns ? width - d : kBrainColumns) / kTileDepth;
      block.a = queries, block.b = s.keys[0] + at, block.add = d > 0;
      multiply(use, block);
      block.b = s.keys[1] + at, block.add = true;
      multiply(use, block);
      block.a = queries + kQueryPlane, block.b = s.keys[0] + at;
      multiply(use, block);
    }
  }
}

// Sums of the block += its weights times the values that are packed.
inline void weigh_block(TileUse& use, const AttentionTask& task, const TileAttentionScratch& s,
                        int row, int rows) {
  for (int r = 0; r < rows; ++r)
    for (int i = 0; i < kPositions; i += 16)
      store_bf16(s.weights + r * kPositions + i, load(s.floats.scores + r * kPositions + i));
  TileBlock block{};
  const int stride = padded(task.value_width);
  block.a = s.weights, block.a_stride = 2 * kPositions;
  block.rows = rows, block.columns = kTileBlock;
  block.steps = kPositions / kTileDepth, block.pairs = kTileDepth / 2;
  block.add = true;
  block.out_stride = stride;
  for (int c = 0; c < stride; c += kTileBlock) {
    block.b = s.values + int64_t{c / kTileBlock} * kPairsOfPositions * kTilePairBytes;
    block.out = s.floats.sums + int64_t{row} * stride + c;
    multiply(use, block);
  }
}

static_assert(kTileBlock <= kQueryRows);  // of absorb_scores

// Query rows [row, row + rows).
inline void attend_rows_on_tiles(TileUse& use, const AttentionTask& task, int row, int rows,
                                 const TileAttentionScratch& s) {
  const CacheRows &keys = rows_of_type(task, task.key_type),
                  &values = rows_of_type(task, task.value_type);
  const Seen seen = start_rows(task, row, rows, s.floats);
  for (int r = 0; r < rows; ++r)
    round_row<kTilePlanes>(task.queries + (row + r) * task.query_stride, task.key_width,
                           s.queries + r * kBrainStride, kQueryPlane);
  const auto pack = [&](int tile, int end) {
    keys.gather_keys(task, tile, end, s.floats);
    values.decode_values(task, tile, end, s.floats);
    pack_keys(s, task.key_width);
    pack_values(s, task.value_width, end - tile);
  };
  each_tile<kTileBlock>(task, row, rows, seen, pack, [&](const QueryRows& block, int tile) {
    score_block(use, task, s, block.of_scratch, block.count);
    absorb_scores(task, block, tile, s.floats.scores, s.floats);
    weigh_block(use, task, s, block.of_scratch, block.count);
  });
  finish_rows(task, row, rows, s.floats);
}

void attention_on_tiles(const AttentionTask* task, void* scratch) {
  TileAttentionScratch s = cut_for_tiles(*task, scratch);
  NextTile none;  // products take long enough for the processor to look ahead by itself
  s.floats.next = &none;
  TileUse use;
  for (int row = 0; row < task->rows; row += kTileQueryRows) {
    const int left = task->rows - row;
    attend_rows_on_tiles(use, *task, row, left < kTileQueryRows ? left : kTileQueryRows, s);
  }
}

}  // namespace
}  // namespace issun::kernels
