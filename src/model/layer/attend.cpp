// What all kinds of attention do alike: rows into the cache, and queries against what is there.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "kernels/attention.h"
#include "model/layer/attention.h"
#include "model/layer/pass.h"

namespace issun::model {

namespace {

// Positions [begin, end) that a token at `position` of `length` sees.
struct Visible {
  int begin, end;
};
Visible visible(bool causal, int window, int position, int length) {
  if (causal) return {window == 0 ? 0 : std::max(0, position - window + 1), position + 1};
  if (window == 0) return {0, length};
  return {std::max(0, position - window / 2),
          std::min(length - position, window / 2 + 1) + position};
}

// The slope of a head in ALiBi (Press et al. 2022): powers of 2^(-alibi / n), n the largest power
// of two up to the heads; heads beyond n take every other power of the slopes for 2 n.
float slope_of(double alibi, int head, int heads) {
  const int n = static_cast<int>(std::bit_floor(static_cast<unsigned>(heads)));
  const double power = head < n ? head + 1 : (2 * (head - n) + 1) / 2.0;
  return static_cast<float>(std::exp2(-alibi * power / n));
}

// Tokens [begin, end) of one sequence, the first of which is row `row` of the batch.
struct Tile {
  const cache::PageTable* table;
  int64_t row;
  int tokens;
  int text_tokens;  // of the sequence in this batch
};

Tile tile_of(const Pass& pass, int64_t tile) {
  const std::span<const int64_t> first_tile = pass.buffers.attention.first_tile;
  size_t s = 0;
  int64_t first = 0;
  for (; first_tile[s + 1] <= tile; ++s) first += pass.batch.sequences[s].rows;
  const SequenceRows& sequence = pass.batch.sequences[s];
  const int most = pass.buffers.attention.piece_tokens;
  const int begin = static_cast<int>(tile - first_tile[s]) * most;
  return {sequence.table, first + begin, std::min(most, sequence.rows - begin), sequence.rows};
}

// Rows of `width` numbers, `stride` apart, times a matrix.
void turn(const Pass& pass, const float* matrix, const float* from, int64_t stride, int64_t rows,
          int width, int worker, float* to) {
  kernels::SmallGemm task{};
  task.a = from;
  task.a_row = stride;
  task.a_column = 1;
  task.b = matrix;
  task.b_row = width;
  task.b_column = 1;
  task.m = static_cast<int>(rows);
  task.n = task.k = width;
  task.out = to;
  task.out_stride = width;
  task.scale = 1;
  pass.kernels.small_gemm(&task, pass.scratch.of(worker));
}

// One tile of tokens against one head of keys and values.
void attend_tile(const Pass& pass, int l, const Tile& tile, int head, int worker) {
  AttentionTile& room = pass.buffers.attention.tiles[static_cast<size_t>(worker)];
  const LayerConfig& layer = pass.layer(l);
  const Tensor& sinks = pass.layer_weights(l).attention.sinks;
  const int group = layer.heads / layer.kv_heads;
  const int from = layer.kv_from == kOwnKeys ? l : layer.kv_from;
  const float* queries = pass.buffers.attention.query.data();
  float* attended = pass.buffers.attention.attended.data();
  const int length = tile.table->length;
  const int last = pass.config.causal
                       ? pass.buffers.positions[static_cast<size_t>(tile.row + tile.tokens - 1)]
                       : length - 1;
  for (int p = 0; p <= last / cache::kPageTokens; ++p) {
    const int32_t page = tile.table->pages[static_cast<size_t>(p)];
    room.key_pages[static_cast<size_t>(p)] = pass.cache.key_row(from, head, page, 0);
    room.value_pages[static_cast<size_t>(p)] = pass.cache.value_row(from, head, page, 0);
  }
  const float* key_matrix = pass.buffers.attention.key_matrix(layer.key_width);
  const float* value_matrix = pass.buffers.attention.value_matrix(layer.value_width);
  size_t rows = 0;
  for (int i = 0; i < tile.tokens; ++i) {
    const int64_t t = tile.row + i;
    std::memcpy((key_matrix != nullptr ? room.turned : room.queries).data() +
                    static_cast<int64_t>(rows) * layer.key_width,
                queries + (t * layer.heads + head * group) * layer.key_width,
                static_cast<size_t>(group * layer.key_width) * sizeof(float));
    const int position = pass.buffers.positions[static_cast<size_t>(t)];
    const Visible seen = visible(pass.config.causal, layer.window, position, length);
    for (int g = 0; g < group; ++g, ++rows) {
      room.visible_begin[rows] = seen.begin;
      room.visible_end[rows] = seen.end;
      room.positions[rows] = position;
      if (layer.alibi != 0) {
        room.slopes[rows] = slope_of(layer.alibi, head * group + g, layer.heads);
      }
      if (sinks) room.sinks[rows] = sinks.floats()[head * group + g];
    }
  }
  if (key_matrix != nullptr) {
    turn(pass, key_matrix, room.turned.data(), layer.key_width, static_cast<int64_t>(rows),
         layer.key_width, worker, room.queries.data());
  }
  kernels::AttentionTask task{};
  task.queries = room.queries.data();
  task.query_stride = layer.key_width;
  task.rows = static_cast<int>(rows);
  task.key_width = layer.key_width;
  task.value_width = layer.value_width;
  task.key_type = static_cast<int>(pass.cache.shape().key_type);
  task.value_type = static_cast<int>(pass.cache.shape().value_type);
  task.key_pages = room.key_pages.data();
  task.value_pages = room.value_pages.data();
  task.page_tokens = cache::kPageTokens;
  task.visible_begin = room.visible_begin.data();
  task.visible_end = room.visible_end.data();
  task.scale = static_cast<float>(layer.attention_scale);
  task.softcap = static_cast<float>(layer.attention_softcap);
  task.sinks = sinks ? room.sinks.data() : nullptr;
  task.slopes = layer.alibi != 0 ? room.slopes.data() : nullptr;
  task.positions = room.positions.data();
  task.exact = pass.exact;
  task.out = room.out.data();
  task.out_stride = layer.value_width;
  const kernels::AttentionUse use{pass.cache.shape().key_type,
                                  pass.cache.shape().value_type,
                                  pass.layer_weights(l).attention.output.weight.type,
                                  pass.exact,
                                  pass.company(pass.rows()),
                                  group * pass.text_company(tile.text_tokens)};
  kernels::attention_for(pass.kernels, use).attend(&task, room.scratch.data());
  const float* out = room.out.data();
  if (value_matrix != nullptr) {
    turn(pass, value_matrix, out, layer.value_width, static_cast<int64_t>(rows), layer.value_width,
         worker, room.turned.data());
    out = room.turned.data();
  }
  for (int i = 0; i < tile.tokens; ++i) {
    std::memcpy(attended + ((tile.row + i) * layer.heads + head * group) * layer.value_width,
                out + int64_t{i} * group * layer.value_width,
                static_cast<size_t>(group * layer.value_width) * sizeof(float));
  }
}

}  // namespace

void divide_into_tiles(const Pass& pass) {
  const std::span<int64_t> first_tile = pass.buffers.attention.first_tile;
  int64_t tiles = 0;
  for (size_t s = 0; s < pass.batch.sequences.size(); ++s) {
    first_tile[s] = tiles;
    const int most = pass.buffers.attention.piece_tokens;
    tiles += (pass.batch.sequences[s].rows + most - 1) / most;
  }
  first_tile[pass.batch.sequences.size()] = tiles;
}

namespace {

// Heads of `width` numbers each of one token, into rows of a type.
struct HeadStore {
  const float* matrix;  // nullptr: none
  DType type;
  int heads, width;
};

template <class Place>
void store_heads(const Pass& pass, const HeadStore& store, const float* heads, int worker,
                 Place&& place) {
  if (store.matrix != nullptr) {
    float* turned = pass.buffers.attention.tiles[static_cast<size_t>(worker)].turned.data();
    turn(pass, store.matrix, heads, store.width, store.heads, store.width, worker, turned);
    heads = turned;
  }
  const auto encode = pass.kernels.encode_row[static_cast<int>(store.type)];
  for (int h = 0; h < store.heads; ++h) encode(heads + h * store.width, store.width, place(h));
}

}  // namespace

void store_rows(const Pass& pass, int l, const Matrix<float>& keys, const Matrix<float>& values) {
  const Timed timed(pass.profile, Step::CacheRows);
  const LayerConfig& layer = pass.layer(l);
  const AttentionRooms& rooms = pass.buffers.attention;
  const cache::KvShape& shape = pass.cache.shape();
  const HeadStore key{rooms.key_matrix(layer.key_width), shape.key_type, layer.kv_heads,
                      layer.key_width};
  const HeadStore value{rooms.value_matrix(layer.value_width), shape.value_type, layer.kv_heads,
                        layer.value_width};
  pass.each_row(pass.rows(), [&](int64_t t, int worker) {
    const int32_t page = pass.buffers.pages[static_cast<size_t>(t)];
    const int slot = pass.buffers.positions[static_cast<size_t>(t)] % cache::kPageTokens;
    store_heads(pass, key, keys.row(t), worker,
                [&](int h) { return pass.cache.key_row(l, h, page, slot); });
    store_heads(pass, value, values.row(t), worker,
                [&](int h) { return pass.cache.value_row(l, h, page, slot); });
  });
}

void attend(const Pass& pass, int l) {
  const Timed timed(pass.profile, Step::Attention);
  AttentionRooms& rooms = pass.buffers.attention;
  const int heads = pass.layer(l).kv_heads;
  const int64_t tiles = rooms.first_tile[pass.batch.sequences.size()];
  pass.workers.for_each(tiles * heads, 1, [&](int64_t item, int64_t, int worker) {
    attend_tile(pass, l, tile_of(pass, item / heads), static_cast<int>(item % heads), worker);
  });
}

}  // namespace issun::model
