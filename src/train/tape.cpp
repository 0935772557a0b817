#include "train/tape.h"

#include <algorithm>

#include "model/layout.h"
#include "train/attention.h"

namespace issun::train {

namespace {

constexpr int64_t kOutputFloats =
    4 << 20;  // of logits at a time: what the output's matrix is read for

struct Widths {
  int64_t query = 0, key = 0, value = 0, attended = 0;
  int64_t dense = 0, experts = 0, used = 0, expert_length = 0;
};

Widths widest(const model::ModelConfig& config) {
  Widths w;
  const auto grow = [](int64_t& width, int64_t other) { width = std::max(width, other); };
  for (const model::LayerConfig& layer : config.layers) {
    grow(w.query, int64_t{layer.heads} * layer.key_width);
    grow(w.key, int64_t{layer.kv_heads} * layer.key_width);
    grow(w.value, int64_t{layer.kv_heads} * layer.value_width);
    grow(w.attended, int64_t{layer.heads} * layer.value_width);
    if (layer.feed_forward == model::FeedForwardKind::Mixture) {
      grow(w.experts, layer.mixture.experts);
      grow(w.used, layer.mixture.used);
      grow(w.expert_length, layer.mixture.length);
    } else {
      grow(w.dense, layer.feed_forward_length);
    }
  }
  return w;
}

void plan_attention(model::Layout& layout, AttentionTape& tape, const model::LayerConfig& layer,
                    int64_t rows) {
  const int64_t query = rows * layer.heads * layer.key_width;
  const int64_t key = rows * layer.kv_heads * layer.key_width;
  layout.add(&tape.query, query);
  layout.add(&tape.key, key);
  layout.add(&tape.value, rows * layer.kv_heads * layer.value_width);
  if (layer.qk_norm != model::QkNorm::None) {
    layout.add(&tape.raw_query, query);
    layout.add(&tape.raw_key, key);
  }
  layout.add(&tape.attended, rows * layer.heads * layer.value_width);
  layout.add(&tape.log_sums, rows * layer.heads);
}

// What a layer keeps in any case: its input, and what its balance loss is made of.
void plan_kept(model::Layout& layout, LayerTape& tape, const model::LayerConfig& layer,
               int64_t rows, int64_t width) {
  layout.add(&tape.in, rows * width);
  if (layer.feed_forward == model::FeedForwardKind::Mixture) {
    layout.add(&tape.mixture.scores, rows * layer.mixture.experts);
    layout.add(&tape.mixture.ends, layer.mixture.experts);
  }
}

// What the backward pass of a layer reads besides.
void plan_layer(model::Layout& layout, LayerTape& tape, const model::LayerConfig& layer,
                int64_t rows, int64_t width) {
  layout.add(&tape.middle, rows * width);
  if (layer.norms_after) {
    layout.add(&tape.mixed, rows * width);
    layout.add(&tape.fed, rows * width);
  }
  plan_attention(layout, tape.attention, layer, rows);
  if (layer.feed_forward == model::FeedForwardKind::Mixture) {
    const model::MixtureConfig& mixture = layer.mixture;
    const int64_t visits = rows * mixture.used;
    layout.add(&tape.mixture.chosen, visits);
    layout.add(&tape.mixture.shares, visits);
    layout.add(&tape.mixture.slots, visits);
    if (mixture.gated) layout.add(&tape.mixture.gate, visits * mixture.length);
    layout.add(&tape.mixture.up, visits * mixture.length);
    layout.add(&tape.mixture.out, visits * width);
  } else {
    const int64_t length = rows * layer.feed_forward_length;
    if (layer.feed_forward == model::FeedForwardKind::Gated) {
      layout.add(&tape.feed_forward.gate, length);
    }
    layout.add(&tape.feed_forward.up, length);
  }
}

void plan_output(model::Layout& layout, Rooms& rooms, const model::ModelConfig& config,
                 const RoomOptions& options, int64_t rows) {
  rooms.output_rows =
      std::min(rows, std::clamp<int64_t>(kOutputFloats / config.vocabulary_size, 96, 1536));
  layout.add(&rooms.live, rows);
  layout.add(&rooms.losses, rooms.output_rows);
  layout.add(&rooms.logits, rooms.output_rows * config.vocabulary_size);
  if (options.distils) {
    layout.add(&rooms.teacher, rooms.output_rows * config.vocabulary_size);
    layout.add(&rooms.warm, int64_t{2} * options.workers * config.vocabulary_size);
  }
  layout.add(&rooms.live_hidden, rooms.output_rows * config.embedding_length);
  layout.add(&rooms.d_live_hidden, rooms.output_rows * config.embedding_length);
}

}  // namespace

Result<std::unique_ptr<Rooms>> make_rooms(const model::ModelConfig& config,
                                          const RoomOptions& options, bool allocate) {
  auto result = std::make_unique<Rooms>();
  Rooms& rooms = *result;
  model::Layout layout(&rooms.arena);
  const int64_t rows = int64_t{options.sequences} * options.length;
  const int64_t width = config.embedding_length, residual = rows * width;
  const Widths w = widest(config);
  const int64_t slots = rows * w.used;
  const int64_t length = std::max(rows * w.dense, slots * w.expert_length);

  rooms.layers.resize(config.layers.size());
  for (size_t l = 0; l < config.layers.size(); ++l) {
    plan_kept(layout, rooms.layers[l], config.layers[l], rows, width);
  }
  for (std::span<float>* each :
       {&rooms.residual, &rooms.hidden, &rooms.normed, &rooms.branch, &rooms.d_residual,
        &rooms.d_hidden, &rooms.d_normed, &rooms.d_branch}) {
    layout.add(each, residual);
  }
  layout.add(&rooms.activated, length);
  layout.add(&rooms.d_activated, length);
  layout.add(&rooms.slots_in, slots * width);
  layout.add(&rooms.slots_gradient, slots * width);
  layout.add(&rooms.d_scores, rows * w.experts);
  rooms.cosines.resize(config.ropes.size());
  rooms.sines.resize(config.ropes.size());
  rooms.back_sines.resize(config.ropes.size());
  for (size_t i = 0; i < config.ropes.size(); ++i) {
    layout.add(&rooms.cosines[i], rows * (config.ropes[i].dimensions / 2));
    layout.add(&rooms.sines[i], rows * (config.ropes[i].dimensions / 2));
    layout.add(&rooms.back_sines[i], rows * (config.ropes[i].dimensions / 2));
  }
  layout.add(&rooms.segment_end, rows);
  layout.add(&rooms.d_query, rows * w.query);
  layout.add(&rooms.d_key, rows * w.key);
  layout.add(&rooms.d_value, rows * w.value);
  layout.add(&rooms.d_attended, rows * w.attended);
  layout.add(&rooms.adapter_inner, rows * options.rank);
  layout.add(&rooms.d_adapter_inner, rows * options.rank);
  const int64_t widest_row = std::max({width, w.query, w.key});
  layout.add(&rooms.partial_gains, kPartialSums * widest_row);
  layout.add(&rooms.partial_bias, kPartialSums * widest_row);
  rooms.attention.resize(static_cast<size_t>(options.workers));
  for (AttentionRoom& room : rooms.attention) plan_attention_room(layout, room);
  plan_output(layout, rooms, config, options, rows);
  const int64_t tapes = rooms.arena.planned_bytes();
  for (size_t l = 0; l < config.layers.size(); ++l) {
    plan_layer(layout, rooms.layers[l], config.layers[l], rows, width);
    if (options.recompute) rooms.arena.reuse(tapes);
  }
  if (allocate) {
    auto allocated = rooms.arena.allocate();
    if (!allocated) {
      return fail("{} sequences of {} tokens: {}", options.sequences, options.length,
                  allocated.error().message);
    }
    layout.fill();
    for (AttentionRoom& room : rooms.attention) std::fill(room.ones.begin(), room.ones.end(), 1.0f);
  }
  return result;
}

}  // namespace issun::train
