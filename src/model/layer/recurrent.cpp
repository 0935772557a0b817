#include "model/layer/recurrent.h"

#include <algorithm>
#include <cmath>

#include "model/layer/convolution.h"
#include "model/layer/pass.h"

namespace issun::model {

namespace {

// The rooms of a layer, as wide as it needs them.
struct RecurrentViews {
  Matrix<float> mixed, gate, inner, step, decay, rate;

  RecurrentViews(const Pass& pass, int l) {
    const RecurrentConfig& facts = pass.layer(l).recurrent;
    const RecurrentRooms& rooms = pass.buffers.recurrent;
    mixed = view(rooms.mixed, pass.rows(), facts.channels());
    gate = view(rooms.gate, pass.rows(), facts.inner());
    inner = view(rooms.inner, pass.rows(), facts.inner());
    step = view(rooms.step, pass.rows(), facts.heads);
    decay = view(rooms.decay, pass.rows(), facts.heads);
    rate = view(rooms.rate, pass.rows(), facts.heads);
  }
};

// Where queries, keys and values begin in a row of `mixed`, in floats.
struct Parts {
  int64_t queries, keys, values;
};

// Every head of every sequence over its rows: view.inner from view.mixed.
void recur(const Pass& pass, int l, const RecurrentViews& view, const Parts& parts) {
  const RecurrentConfig& facts = pass.layer(l).recurrent;
  const bool delta = pass.layer(l).mixer == MixerKind::DeltaRule;
  const Tensor& skip = pass.layer_weights(l).recurrent.skip;
  const int64_t sequences = static_cast<int64_t>(pass.batch.sequences.size());
  pass.workers.for_each(sequences * facts.heads, 1, [&](int64_t item, int64_t, int) {
    const size_t s = static_cast<size_t>(item / facts.heads);
    const int64_t h = item % facts.heads, row = pass.first_row(s);
    const SequenceRows& sequence = pass.batch.sequences[s];
    // State spaces share a key with their neighbours, the delta rule with every so manieth head.
    const int64_t shared = delta ? h % facts.key_heads : h / (facts.heads / facts.key_heads);
    const float* mixed = view.mixed.row(row);
    kernels::RecurrenceTask task{};
    task.queries = mixed + parts.queries + shared * facts.key_width;
    task.keys = mixed + parts.keys + shared * facts.key_width;
    task.values = mixed + parts.values + h * facts.value_width;
    task.key_stride = task.value_stride = view.mixed.stride;
    task.decay = view.decay.row(row) + h;
    task.rate = (delta ? view.rate : view.step).row(row) + h;
    task.rate_stride = view.decay.stride;
    task.tokens = sequence.rows;
    task.key_width = facts.key_width;
    task.value_width = facts.value_width;
    task.skip = skip ? skip.floats()[h] : 0.0f;
    task.corrects = delta;
    task.state = pass.cache.states().memory(l, sequence.table->state) +
                 h * facts.key_width * facts.value_width;
    task.out = view.inner.row(row) + h * facts.value_width;
    task.out_stride = view.inner.stride;
    pass.kernels.recurrence(&task);
  });
}

void steps_and_decays(const Pass& pass, const RecurrentWeights& weights, const RecurrentViews& view,
                      int64_t t) {
  pass.kernels.step_and_decay(view.step.row(t), weights.step_bias.floats(),
                              weights.decay_rate.floats(), static_cast<int>(view.step.columns),
                              view.step.row(t), view.decay.row(t));
}

// Each part of a row of `width` by itself, with gains of its own or with those that all share.
void norm_parts(const Pass& pass, const Tensor& gains, float* row, int64_t parts, int64_t width) {
  if (!gains) return;
  for (int64_t p = 0; p < parts; ++p) {
    pass.kernels.rms_norm(row + p * width, gains.floats() + p % gains.rows() * width,
                          static_cast<int>(width), static_cast<float>(pass.config.norm_epsilon),
                          row + p * width);
  }
}

}  // namespace

void RecurrentRooms::plan(Plan& plan) {
  int64_t channels = 0, widest = 0, heads = 0, embedding = 0;
  for (const LayerConfig& layer : plan.config.layers) {
    if (!layer.recurs()) continue;
    channels = std::max(channels, layer.recurrent.channels());
    widest = std::max(widest, layer.recurrent.inner());
    heads = std::max<int64_t>(heads, layer.recurrent.heads);
    if (layer.attends()) embedding = plan.config.embedding_length;
  }
  const int64_t rows = plan.options.max_rows;
  plan.layout.add(&mixed, rows * channels);
  plan.layout.add(&gate, rows * widest);
  plan.layout.add(&inner, rows * widest);
  plan.layout.add(&step, rows * heads);
  plan.layout.add(&decay, rows * heads);
  plan.layout.add(&rate, rows * heads);
  plan.layout.add(&beside, rows * embedding);
  plan.widest_input(rows, std::max(channels, widest));
}

// out = gate * convolution(before * x)
void short_convolution(const Pass& pass, int l, const Matrix<float>& in, const Matrix<float>& out) {
  const RecurrentWeights& weights = pass.layer_weights(l).recurrent;
  const RecurrentViews view(pass, l);
  pass.project(
      in, {{weights.before, view.inner}, {weights.gate, view.gate}, {weights.mixed, view.mixed}});
  const auto multiply = [&](const Matrix<float>& by) {
    pass.each_row(in.rows, [&](int64_t t) {
      pass.kernels.mul(view.mixed.row(t), by.row(t), by.columns, view.mixed.row(t));
    });
  };
  multiply(view.inner);
  convolve(pass, l, {weights.taps, weights.taps_bias}, view.mixed);
  multiply(view.gate);
  pass.project(view.mixed, {{weights.output, out}});
}

void state_space(const Pass& pass, int l, const Matrix<float>& in, const Matrix<float>& out) {
  const RecurrentConfig& facts = pass.layer(l).recurrent;
  const RecurrentWeights& weights = pass.layer_weights(l).recurrent;
  const RecurrentViews view(pass, l);
  pass.project(in,
               {{weights.gate, view.gate}, {weights.mixed, view.mixed}, {weights.step, view.step}});
  convolve(pass, l, {weights.taps, weights.taps_bias, true}, view.mixed);
  pass.each_row(in.rows, [&](int64_t t) { steps_and_decays(pass, weights, view, t); });
  // A row is values, keys, queries.
  const int64_t values = facts.inner();
  recur(pass, l, view, {values + facts.keys(), values, 0});
  pass.each_row(in.rows, [&](int64_t t) {
    float* row = view.inner.row(t);
    pass.kernels.silu_mul(view.gate.row(t), row, values, row);
    norm_parts(pass, weights.norm, row, facts.key_heads, values / facts.key_heads);
  });
  pass.project(view.inner, {{weights.output, out}});
}

void delta_rule(const Pass& pass, int l, const Matrix<float>& in, const Matrix<float>& out) {
  const RecurrentConfig& facts = pass.layer(l).recurrent;
  const RecurrentWeights& weights = pass.layer_weights(l).recurrent;
  const RecurrentViews view(pass, l);
  pass.project(in, {{weights.mixed, view.mixed},
                    {weights.gate, view.gate},
                    {weights.step, view.step},
                    {weights.rate, view.rate}});
  convolve(pass, l, {weights.taps, weights.taps_bias, true}, view.mixed);
  const float epsilon = static_cast<float>(pass.config.norm_epsilon);
  const float query_scale = 1 / std::sqrt(static_cast<float>(facts.key_width));
  pass.each_row(in.rows, [&](int64_t t) {
    steps_and_decays(pass, weights, view, t);
    pass.kernels.sigmoid_mul(view.rate.row(t), nullptr, facts.heads, view.rate.row(t));
    for (int h = 0; h < 2 * facts.key_heads; ++h) {  // a row is queries, keys, values
      float* head = view.mixed.row(t) + int64_t{h} * facts.key_width;
      pass.kernels.l2_norm(head, facts.key_width, epsilon, h < facts.key_heads ? query_scale : 1,
                           head);
    }
  });
  recur(pass, l, view, {0, facts.keys(), 2 * facts.keys()});
  pass.each_row(in.rows, [&](int64_t t) {
    float* row = view.inner.row(t);
    norm_parts(pass, weights.norm, row, facts.heads, facts.value_width);
    pass.kernels.silu_mul(view.gate.row(t), row, facts.inner(), row);
  });
  pass.project(view.inner, {{weights.output, out}});
}

}  // namespace issun::model
