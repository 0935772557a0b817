#include "model/layer/attention.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "model/layer/pass.h"

namespace issun::model {

namespace {

// How many tokens one piece of attention work takes: keys and values are converted once for them.
constexpr int kTileTokens = 16;

struct Widths {
  int64_t query = 0, key = 0, value = 0, attended = 0;  // of all heads together
  int64_t gate = 0;                                     // likewise
  int64_t group = 0;                                    // query heads that share a kv head
  int64_t key_head = 0, value_head = 0;
};

Widths widths_of(const ModelConfig& config) {
  Widths widths;
  for (const LayerConfig& layer : config.layers) {
    if (!layer.attends()) continue;
    if (layer.gated_output)
      widths.gate = std::max(widths.gate, int64_t{layer.heads} * layer.key_width);
    widths.query = std::max(widths.query, int64_t{layer.heads} * layer.key_width);
    widths.key = std::max(widths.key, int64_t{layer.kv_heads} * layer.key_width);
    widths.value = std::max(widths.value, int64_t{layer.kv_heads} * layer.value_width);
    widths.attended = std::max(widths.attended, int64_t{layer.heads} * layer.value_width);
    widths.group = std::max<int64_t>(widths.group, layer.heads / layer.kv_heads);
    widths.key_head = std::max<int64_t>(widths.key_head, layer.key_width);
    widths.value_head = std::max<int64_t>(widths.value_head, layer.value_width);
  }
  return widths;
}

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

void norm_heads(const Pass& pass, QkNorm kind, const Norm& norm, float* row, int heads, int width) {
  if (kind == QkNorm::Whole) pass.norm_row(norm, row, int64_t{heads} * width, row);
  if (kind != QkNorm::Head) return;
  for (int h = 0; h < heads; ++h) pass.norm_row(norm, row + h * width, width, row + h * width);
}

// Norms and rotates queries and keys, and puts keys and values into the cache.
void remember(const Pass& pass, int l) {
  const LayerConfig& layer = pass.layer(l);
  const AttentionWeights& weights = pass.layer_weights(l).attention;
  const AttentionRooms& rooms = pass.buffers.attention;
  const kernels::KernelTable& kernels = pass.kernels;
  const bool rotates = layer.rope != kNoRope;
  const RopeConfig none{},
      &rope = rotates ? pass.config.ropes[static_cast<size_t>(layer.rope)] : none;
  const int pairs = rope.dimensions / 2;
  const auto rotate =
      rope.pairing == RopePairing::Adjacent ? kernels.rope_neighbours : kernels.rope_halves;
  const auto store = kernels.encode_row[static_cast<int>(pass.cache.shape().key_type)];
  pass.each_row(pass.rows(), [&](int64_t t) {
    const int position = pass.buffers.positions[static_cast<size_t>(t)];
    const int32_t page = pass.buffers.pages[static_cast<size_t>(t)];
    const int slot = position % cache::kPageTokens;
    float* query = rooms.query.data() + t * layer.heads * layer.key_width;
    float* key = rooms.key.data() + t * layer.kv_heads * layer.key_width;
    const float* value = rooms.value.data() + t * layer.kv_heads * layer.value_width;
    norm_heads(pass, layer.qk_norm, weights.query_norm, query, layer.heads, layer.key_width);
    norm_heads(pass, layer.qk_norm, weights.key_norm, key, layer.kv_heads, layer.key_width);
    if (rotates) {
      const RotationRoom& room = pass.buffers.rotations[static_cast<size_t>(layer.rope)];
      const float* cosines = room.cosines.data() + t * pairs;
      const float* sines = room.sines.data() + t * pairs;
      for (int h = 0; h < layer.heads; ++h)
        rotate(query + h * layer.key_width, cosines, sines, pairs);
      for (int h = 0; h < layer.kv_heads; ++h)
        rotate(key + h * layer.key_width, cosines, sines, pairs);
    }
    if (pass.config.query_growth != 0) {
      const double lengths = std::floor(position / pass.config.query_growth_length);
      const double grown = 1 + pass.config.query_growth * std::log1p(lengths);
      kernels.scale(query, static_cast<float>(grown), int64_t{layer.heads} * layer.key_width,
                    query);
    }
    for (int h = 0; h < layer.kv_heads; ++h) {
      store(key + h * layer.key_width, layer.key_width, pass.cache.key_row(l, h, page, slot));
      store(value + h * layer.value_width, layer.value_width,
            pass.cache.value_row(l, h, page, slot));
    }
  });
}

// Tokens [begin, end) of one sequence, the first of which is row `row` of the batch.
struct Tile {
  const cache::PageTable* table;
  int64_t row;
  int tokens;
};

Tile tile_of(const Pass& pass, int64_t tile) {
  const std::span<const int64_t> first_tile = pass.buffers.attention.first_tile;
  size_t s = 0;
  int64_t first = 0;
  for (; first_tile[s + 1] <= tile; ++s) first += pass.batch.sequences[s].rows;
  const SequenceRows& sequence = pass.batch.sequences[s];
  const int begin = static_cast<int>(tile - first_tile[s]) * kTileTokens;
  return {sequence.table, first + begin, std::min(kTileTokens, sequence.rows - begin)};
}

// One tile of tokens against one head of keys and values.
void attend_tile(const Pass& pass, int l, const Tile& tile, int head, AttentionTile& room) {
  const LayerConfig& layer = pass.layer(l);
  const Tensor& sinks = pass.layer_weights(l).attention.sinks;
  const int group = layer.heads / layer.kv_heads;
  const float* queries = pass.buffers.attention.query.data();
  float* attended = pass.buffers.attention.attended.data();
  const int length = tile.table->length;
  const int last = pass.config.causal
                       ? pass.buffers.positions[static_cast<size_t>(tile.row + tile.tokens - 1)]
                       : length - 1;
  for (int p = 0; p <= last / cache::kPageTokens; ++p) {
    const int32_t page = tile.table->pages[static_cast<size_t>(p)];
    room.key_pages[static_cast<size_t>(p)] = pass.cache.key_row(l, head, page, 0);
    room.value_pages[static_cast<size_t>(p)] = pass.cache.value_row(l, head, page, 0);
  }
  size_t rows = 0;
  for (int i = 0; i < tile.tokens; ++i) {
    const int64_t t = tile.row + i;
    std::memcpy(room.queries.data() + static_cast<int64_t>(rows) * layer.key_width,
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
  kernels::AttentionTask task{};
  task.queries = room.queries.data();
  task.query_stride = layer.key_width;
  task.rows = static_cast<int>(rows);
  task.key_width = layer.key_width;
  task.value_width = layer.value_width;
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
  task.out = room.out.data();
  task.out_stride = layer.value_width;
  pass.kernels.attention[static_cast<int>(pass.cache.shape().key_type)](&task, room.scratch.data());
  for (int i = 0; i < tile.tokens; ++i) {
    std::memcpy(attended + ((tile.row + i) * layer.heads + head * group) * layer.value_width,
                room.out.data() + int64_t{i} * group * layer.value_width,
                static_cast<size_t>(group * layer.value_width) * sizeof(float));
  }
}

}  // namespace

void AttentionRooms::plan(Plan& plan) {
  const Widths widths = widths_of(plan.config);
  const int64_t rows = plan.options.max_rows;
  plan.layout.add(&query, rows * widths.query);
  plan.layout.add(&key, rows * widths.key);
  plan.layout.add(&value, rows * widths.value);
  plan.layout.add(&attended, rows * widths.attended);
  plan.layout.add(&gate, rows * widths.gate);
  plan.layout.add(&query_and_gate, 2 * rows * widths.gate);
  plan.layout.add(&first_tile, plan.options.max_sequences + 1);
  plan.widest_input(rows, widths.attended);
  const int64_t tile = kTileTokens * widths.group;
  const int64_t pages = (plan.options.context + cache::kPageTokens - 1) / cache::kPageTokens;
  const int64_t scratch = plan.kernels.attention_scratch_bytes(static_cast<int>(widths.key_head),
                                                               static_cast<int>(widths.value_head));
  tiles.resize(static_cast<size_t>(plan.workers));
  for (AttentionTile& room : tiles) {
    plan.layout.add(&room.queries, tile * widths.key_head);
    plan.layout.add(&room.out, tile * widths.value_head);
    plan.layout.add(&room.visible_begin, tile);
    plan.layout.add(&room.visible_end, tile);
    plan.layout.add(&room.sinks, tile);
    plan.layout.add(&room.slopes, tile);
    plan.layout.add(&room.positions, tile);
    plan.layout.add(&room.key_pages, pages);
    plan.layout.add(&room.value_pages, pages);
    plan.layout.add(&room.scratch, scratch);
  }
}

void divide_into_tiles(const Pass& pass) {
  const std::span<int64_t> first_tile = pass.buffers.attention.first_tile;
  int64_t tiles = 0;
  for (size_t s = 0; s < pass.batch.sequences.size(); ++s) {
    first_tile[s] = tiles;
    tiles += (pass.batch.sequences[s].rows + kTileTokens - 1) / kTileTokens;
  }
  first_tile[pass.batch.sequences.size()] = tiles;
}

namespace {

// Each head of the query matrix gives a query and, after it, a gate.
void split_gates(const Pass& pass, int l) {
  const LayerConfig& layer = pass.layer(l);
  const AttentionRooms& rooms = pass.buffers.attention;
  const size_t bytes = static_cast<size_t>(layer.key_width) * sizeof(float);
  pass.each_row(pass.rows() * layer.heads, [&](int64_t head) {
    const float* both = rooms.query_and_gate.data() + 2 * head * layer.key_width;
    std::memcpy(rooms.query.data() + head * layer.key_width, both, bytes);
    std::memcpy(rooms.gate.data() + head * layer.key_width, both + layer.key_width, bytes);
  });
}

}  // namespace

void attention(const Pass& pass, int l, const Matrix<float>& in, const Matrix<float>& out) {
  const LayerConfig& layer = pass.layer(l);
  const AttentionWeights& weights = pass.layer_weights(l).attention;
  AttentionRooms& rooms = pass.buffers.attention;
  const auto heads = [&](std::span<float> room, int count, int width) {
    return view(room, in.rows, int64_t{count} * width);
  };
  const bool gated = layer.gated_output;
  pass.project(
      in, {{weights.query, gated ? heads(rooms.query_and_gate, layer.heads, 2 * layer.key_width)
                                 : heads(rooms.query, layer.heads, layer.key_width)},
           {weights.key, heads(rooms.key, layer.kv_heads, layer.key_width)},
           {weights.value, heads(rooms.value, layer.kv_heads, layer.value_width)}});
  if (gated) split_gates(pass, l);
  remember(pass, l);
  const int64_t tiles = rooms.first_tile[pass.batch.sequences.size()];
  pass.workers.for_each(tiles * layer.kv_heads, 1, [&](int64_t item, int64_t, int worker) {
    attend_tile(pass, l, tile_of(pass, item / layer.kv_heads),
                static_cast<int>(item % layer.kv_heads), rooms.tiles[static_cast<size_t>(worker)]);
  });
  const Matrix<float> attended = heads(rooms.attended, layer.heads, layer.value_width);
  if (gated) {
    const Matrix<float> gate = heads(rooms.gate, layer.heads, layer.key_width);
    pass.each_row(in.rows, [&](int64_t t) {
      pass.kernels.sigmoid_mul(gate.row(t), attended.row(t), gate.columns, attended.row(t));
    });
  }
  pass.project(attended, {{weights.output, out}});
}

}  // namespace issun::model
