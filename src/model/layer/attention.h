// Attention over the cache: queries, keys and values of the rows, what they see, and back to the
// embedding's width.
#pragma once

#include <span>
#include <vector>

#include "model/layer/plan.h"
#include "tensor/tensor.h"

namespace issun::model {

struct Pass;

// How many tokens one piece of attention work takes: keys and values are converted once for them.
constexpr int kLeastPiece = 16, kMostPiece = 96;
// Of a whole batch, so that no worker waits long for the others.
constexpr int kPiecesPerWorker = 4;

// The rotation of each row by one kind of rope: (max_rows, pairs) each.
struct RotationRoom {
  std::span<float> cosines, sines;
};

// The matrix that spreads rows of a width before they are rounded: (width, width).
struct HadamardRoom {
  int width = 0, limit = 0;
  std::span<float> matrix;
};

// What one worker needs to attend with a tile of queries to one head.
struct AttentionTile {
  std::span<float> queries, out;              // (tile rows, width)
  std::span<int> visible_begin, visible_end;  // (tile rows)
  std::span<float> sinks, slopes;             // (tile rows)
  std::span<int> positions;                   // (tile rows)
  std::span<const void*> key_pages, value_pages;
  std::span<float> turned;  // (tile rows or kv heads, width): rows on their way through a matrix
  std::span<std::byte> scratch;
};

struct AttentionRooms {
  std::span<float> query, key, value, attended;  // (max_rows, heads x width)
  std::span<float> query_and_gate, gate;         // likewise, where outputs are gated
  std::span<int64_t> first_tile;     // (max_sequences + 1): where each sequence's tiles begin
  std::vector<AttentionTile> tiles;  // one a worker
  int piece_tokens = kLeastPiece;
  bool rotates_keys = false, rotates_values = false;
  std::vector<HadamardRoom> hadamards;  // one a width of keys, and of values, that is rotated
  void plan(Plan& plan);
  // Once there is memory.
  void fill();
  // nullptr: rows of this width stay as they are.
  const float* key_matrix(int width) const;
  const float* value_matrix(int width) const;

 private:
  const float* matrix(int width, int limit) const;
  void add_hadamard(int width, int limit);
};

// (rows, embedding) -> (rows, embedding); the rows' keys and values are in the cache afterwards.
void attention(const Pass& pass, int l, const Matrix<float>& in, const Matrix<float>& out);

// The rows' keys and values (rows, kv_heads x width) into the cache of layer l.
void store_rows(const Pass& pass, int l, const Matrix<float>& keys, const Matrix<float>& values);
// rooms.attended from rooms.query and the cache.
void attend(const Pass& pass, int l);

// Divides the rows of the batch into tiles, once for all layers.
void divide_into_tiles(const Pass& pass);

}  // namespace issun::model
