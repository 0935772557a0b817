#include "train/attention.h"

#include <algorithm>
#include <cstring>

namespace issun::train {

namespace {

// Of all heads of a row. Backwards a rotation turns the other way.
void rotate(const Pass& pass, const model::LayerConfig& layer, std::span<float> rows, int heads,
            bool back) {
  if (layer.rope == model::kNoRope) return;
  const auto rope = static_cast<size_t>(layer.rope);
  const bool adjacent = pass.config.ropes[rope].pairing == model::RopePairing::Adjacent;
  const auto turn = adjacent ? pass.kernels.rope_neighbours : pass.kernels.rope_halves;
  const int pairs = pass.config.ropes[rope].dimensions / 2;
  const std::span<const float> sines = back ? pass.rooms.back_sines[rope] : pass.rooms.sines[rope];
  pass.each_row(pass.rows(), [&](int64_t t) {
    float* row = rows.data() + t * heads * layer.key_width;
    for (int h = 0; h < heads; ++h) {
      turn(row + h * layer.key_width, pass.rooms.cosines[rope].data() + t * pairs,
           sines.data() + t * pairs, pairs);
    }
  });
}

// Rows that a norm of queries or keys takes: heads, or all of a token's.
Matrix<float> normed_rows(const model::LayerConfig& layer, std::span<float> rows, int64_t tokens,
                          int heads) {
  if (layer.qk_norm == model::QkNorm::Whole) {
    return view(rows, tokens, int64_t{heads} * layer.key_width);
  }
  return view(rows, tokens * heads, layer.key_width);
}

}  // namespace

void attention(const Pass& pass, int l, const Matrix<float>& in, const Matrix<float>& out) {
  const model::LayerConfig& layer = pass.layer(l);
  const model::AttentionWeights& weights = pass.layer_weights(l).attention;
  const AttentionTape& tape = pass.tape(l).attention;
  const bool normed = layer.qk_norm != model::QkNorm::None;
  const int64_t n = in.rows;
  const Matrix<float> query =
      view(normed ? tape.raw_query : tape.query, n, int64_t{layer.heads} * layer.key_width);
  const Matrix<float> key =
      view(normed ? tape.raw_key : tape.key, n, int64_t{layer.kv_heads} * layer.key_width);
  const Matrix<float> value = view(tape.value, n, int64_t{layer.kv_heads} * layer.value_width);
  pass.project(in, {{weights.query, query}, {weights.key, key}, {weights.value, value}});
  if (normed) {
    pass.norm(weights.query_norm, normed_rows(layer, tape.raw_query, n, layer.heads),
              normed_rows(layer, tape.query, n, layer.heads));
    pass.norm(weights.key_norm, normed_rows(layer, tape.raw_key, n, layer.kv_heads),
              normed_rows(layer, tape.key, n, layer.kv_heads));
  }
  rotate(pass, layer, tape.query, layer.heads, false);
  rotate(pass, layer, tape.key, layer.kv_heads, false);
  attend(pass, l);
  pass.project(view(tape.attended, n, int64_t{layer.heads} * layer.value_width),
               {{weights.output, out}});
}

void attention_back(const Pass& pass, int l, const Matrix<float>& in, const Matrix<float>& d_out,
                    const Matrix<float>& d_in) {
  const model::LayerConfig& layer = pass.layer(l);
  const model::AttentionWeights& weights = pass.layer_weights(l).attention;
  const AttentionTape& tape = pass.tape(l).attention;
  Rooms& rooms = pass.rooms;
  const int64_t n = in.rows;
  const Matrix<float> attended = view(tape.attended, n, int64_t{layer.heads} * layer.value_width);
  const Matrix<float> d_attended = view(rooms.d_attended, n, attended.columns);
  pass.project_back(weights.output, attended, d_out, d_attended, false);

  const Matrix<float> d_key = view(rooms.d_key, n, int64_t{layer.kv_heads} * layer.key_width);
  const Matrix<float> d_value = view(rooms.d_value, n, int64_t{layer.kv_heads} * layer.value_width);
  pass.each_row(n, [&](int64_t t) {
    std::memset(d_key.row(t), 0, static_cast<size_t>(d_key.columns) * sizeof(float));
    std::memset(d_value.row(t), 0, static_cast<size_t>(d_value.columns) * sizeof(float));
  });
  attend_back(pass, l);
  rotate(pass, layer, rooms.d_query, layer.heads, true);
  rotate(pass, layer, rooms.d_key, layer.kv_heads, true);

  Matrix<float> d_query = view(rooms.d_query, n, int64_t{layer.heads} * layer.key_width);
  Matrix<float> d_raw_key = d_key;
  if (layer.qk_norm != model::QkNorm::None) {
    // Norms add to what they give back, and the normed rows are needed no more.
    std::fill(tape.query.begin(), tape.query.end(), 0.0f);
    std::fill(tape.key.begin(), tape.key.end(), 0.0f);
    pass.norm_back(weights.query_norm, normed_rows(layer, tape.raw_query, n, layer.heads),
                   normed_rows(layer, rooms.d_query, n, layer.heads),
                   normed_rows(layer, tape.query, n, layer.heads));
    pass.norm_back(weights.key_norm, normed_rows(layer, tape.raw_key, n, layer.kv_heads),
                   normed_rows(layer, rooms.d_key, n, layer.kv_heads),
                   normed_rows(layer, tape.key, n, layer.kv_heads));
    d_query = view(tape.query, n, d_query.columns);
    d_raw_key = view(tape.key, n, d_key.columns);
  }
  pass.project_back(weights.query, in, d_query, d_in, false);
  pass.project_back(weights.key, in, d_raw_key, d_in, true);
  pass.project_back(weights.value, in, d_value, d_in, true);
}

}  // namespace issun::train
