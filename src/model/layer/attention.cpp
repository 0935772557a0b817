#include "model/layer/attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "cache/hadamard.h"
#include "kernels/attention.h"
#include "model/layer/pass.h"

namespace issun::model {

namespace {

struct Widths {
  int64_t query = 0, key = 0, value = 0, attended = 0;  // of all heads together
  int64_t gate = 0;                                     // likewise
  int64_t group = 0;                                    // query heads that share a kv head
  int64_t key_head = 0, value_head = 0;
  int64_t least_kv_heads = 0;
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
    widths.least_kv_heads = widths.least_kv_heads == 0
                                ? layer.kv_heads
                                : std::min<int64_t>(widths.least_kv_heads, layer.kv_heads);
  }
  return widths;
}

void norm_heads(const Pass& pass, QkNorm kind, const Norm& norm, float* row, int heads, int width) {
  if (kind == QkNorm::Whole) pass.norm_row(norm, row, int64_t{heads} * width, row);
  if (kind != QkNorm::Head) return;
  for (int h = 0; h < heads; ++h) pass.norm_row(norm, row + h * width, width, row + h * width);
}

// Norms queries, keys and values where the layer does, and rotates the first two.
void norm_and_rotate(const Pass& pass, int l) {
  const Timed timed(pass.profile, Step::Rotation);
  const LayerConfig& layer = pass.layer(l);
  const AttentionWeights& weights = pass.layer_weights(l).attention;
  const AttentionRooms& rooms = pass.buffers.attention;
  const kernels::KernelTable& kernels = pass.kernels;
  const bool rotates = layer.rope != kNoRope, own_keys = layer.kv_from == kOwnKeys;
  const RopeConfig none{},
      &rope = rotates ? pass.config.ropes[static_cast<size_t>(layer.rope)] : none;
  const int pairs = rope.dimensions / 2;
  const auto rotate =
      rope.pairing == RopePairing::Adjacent ? kernels.rope_neighbours : kernels.rope_halves;
  pass.each_row(pass.rows(), [&](int64_t t) {
    const int position = pass.buffers.positions[static_cast<size_t>(t)];
    float* query = rooms.query.data() + t * layer.heads * layer.key_width;
    float* key = rooms.key.data() + t * layer.kv_heads * layer.key_width;
    float* value = rooms.value.data() + t * layer.kv_heads * layer.value_width;
    norm_heads(pass, layer.qk_norm, weights.query_norm, query, layer.heads, layer.key_width);
    if (own_keys)
      norm_heads(pass, layer.qk_norm, weights.key_norm, key, layer.kv_heads, layer.key_width);
    if (own_keys && layer.value_norm)
      norm_heads(pass, QkNorm::Head, {}, value, layer.kv_heads, layer.value_width);
    if (rotates) {
      const RotationRoom& room = pass.buffers.rotations[static_cast<size_t>(layer.rope)];
      const float* cosines = room.cosines.data() + t * pairs;
      const float* sines = room.sines.data() + t * pairs;
      for (int h = 0; h < layer.heads; ++h)
        rotate(query + h * layer.key_width, cosines, sines, pairs);
      for (int h = 0; own_keys && h < layer.kv_heads; ++h)
        rotate(key + h * layer.key_width, cosines, sines, pairs);
    }
    if (pass.config.query_growth != 0) {
      const double lengths = std::floor(position / pass.config.query_growth_length);
      const double grown = 1 + pass.config.query_growth * std::log1p(lengths);
      kernels.scale(query, static_cast<float>(grown), int64_t{layer.heads} * layer.key_width,
                    query);
    }
  });
}

}  // namespace

void AttentionRooms::add_hadamard(int width, int limit) {
  const auto same = [&](const HadamardRoom& room) {
    return room.width == width && room.limit == limit;
  };
  if (std::any_of(hadamards.begin(), hadamards.end(), same)) return;
  hadamards.push_back({width, limit, {}});
}

const float* AttentionRooms::matrix(int width, int limit) const {
  for (const HadamardRoom& room : hadamards) {
    if (room.width == width && room.limit == limit) return room.matrix.data();
  }
  return nullptr;
}

const float* AttentionRooms::key_matrix(int width) const {
  return rotates_keys ? matrix(width, cache::kKeySpread) : nullptr;
}

const float* AttentionRooms::value_matrix(int width) const {
  return rotates_values ? matrix(width, cache::kValueSpread) : nullptr;
}

void AttentionRooms::fill() {
  for (const HadamardRoom& room : hadamards)
    cache::fill_hadamard(room.width, room.limit, room.matrix);
}

void AttentionRooms::plan(Plan& plan) {
  const Widths widths = widths_of(plan.config);
  rotates_keys = plan.options.rotate_keys;
  rotates_values = plan.options.rotate_values;
  for (const LayerConfig& layer : plan.config.layers) {
    if (!layer.attends()) continue;
    if (rotates_keys) add_hadamard(layer.key_width, cache::kKeySpread);
    if (rotates_values) add_hadamard(layer.value_width, cache::kValueSpread);
  }
  for (HadamardRoom& room : hadamards)
    plan.layout.add(&room.matrix, int64_t{room.width} * room.width);
  const int64_t rows = plan.options.max_rows;
  plan.layout.add(&query, rows * widths.query);
  plan.layout.add(&key, rows * widths.key);
  plan.layout.add(&value, rows * widths.value);
  plan.layout.add(&attended, rows * widths.attended);
  plan.layout.add(&gate, rows * widths.gate);
  plan.layout.add(&query_and_gate, 2 * rows * widths.gate);
  plan.layout.add(&first_tile, plan.options.max_sequences + 1);
  plan.widest_input(rows, widths.attended);
  // As many rows as share one conversion, at most, but enough pieces for all workers.
  const int64_t most =
      std::min<int64_t>(kernels::attention_rows(plan.kernels, plan.options.exact) /
                            std::max<int64_t>(1, widths.group),
                        rows * widths.least_kv_heads / (kPiecesPerWorker * plan.workers));
  piece_tokens = static_cast<int>(std::clamp<int64_t>(most, kLeastPiece, kMostPiece));
  const int64_t tile = piece_tokens * widths.group;
  const int64_t pages = (plan.options.context + cache::kPageTokens - 1) / cache::kPageTokens;
  const int key_head = static_cast<int>(widths.key_head);
  const int value_head = static_cast<int>(widths.value_head);
  const int64_t scratch = kernels::attention_scratch_bytes(plan.kernels, key_head, value_head);
  const int64_t turned =
      std::max({tile * std::max(widths.key_head, widths.value_head), widths.key, widths.value});
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
    if (!hadamards.empty()) plan.layout.add(&room.turned, turned);
    plan.layout.add(&room.scratch, scratch);
  }
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
  const bool own_keys = layer.kv_from == kOwnKeys;
  const Matrix<float> query = gated ? heads(rooms.query_and_gate, layer.heads, 2 * layer.key_width)
                                    : heads(rooms.query, layer.heads, layer.key_width);
  const Matrix<float> key = heads(rooms.key, layer.kv_heads, layer.key_width);
  const Matrix<float> value = heads(rooms.value, layer.kv_heads, layer.value_width);
  if (own_keys) {
    pass.project(in, {{weights.query, query}, {weights.key, key}, {weights.value, value}});
  } else {
    pass.project(in, {{weights.query, query}});
  }
  if (gated) split_gates(pass, l);
  norm_and_rotate(pass, l);
  if (own_keys) store_rows(pass, l, key, value);
  attend(pass, l);
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
