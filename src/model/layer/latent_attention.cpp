#include "model/layer/latent_attention.h"

#include <algorithm>
#include <cstring>

#include "model/binder.h"
#include "model/layer/pass.h"

namespace issun::model {

namespace {

// Norms the short row, and rotates what of it and of the queries knows its position.
void norm_and_rotate(const Pass& pass, int l, const Matrix<float>& key,
                     const Matrix<float>& query) {
  const LayerConfig& layer = pass.layer(l);
  const LatentConfig& facts = layer.latent;
  const RotationRoom& room = pass.buffers.rotations[static_cast<size_t>(layer.rope)];
  const int pairs = facts.rotated_width / 2, width = facts.plain_width + facts.rotated_width;
  const auto rotate = pass.kernels.rope_neighbours;
  pass.each_row(pass.rows(), [&](int64_t t) {
    const float* cosines = room.cosines.data() + t * pairs;
    const float* sines = room.sines.data() + t * pairs;
    pass.norm_row(pass.layer_weights(l).latent.key_norm, key.row(t), facts.rank, key.row(t));
    rotate(key.row(t) + facts.rank, cosines, sines, pairs);
    for (int h = 0; h < layer.heads; ++h)
      rotate(query.row(t) + h * width + facts.plain_width, cosines, sines, pairs);
  });
}

}  // namespace

void LatentRooms::plan(Plan& plan) {
  int64_t most_low = 0, most_query = 0, most_out = 0;
  for (const LayerConfig& layer : plan.config.layers) {
    if (layer.mixer != MixerKind::LatentAttention) continue;
    const LatentConfig& facts = layer.latent;
    most_low = std::max<int64_t>(most_low, facts.query_rank);
    most_query =
        std::max(most_query, int64_t{layer.heads} * (facts.plain_width + facts.rotated_width));
    most_out = std::max(most_out, int64_t{layer.heads} * facts.value_width);
    plan.widest_input(plan.options.max_rows, std::max({facts.plain_width, facts.rank}));
  }
  const int64_t rows = plan.options.max_rows;
  plan.layout.add(&low, rows * most_low);
  plan.layout.add(&query, rows * most_query);
  plan.layout.add(&out, rows * most_out);
  plan.widest_input(rows, std::max(most_low, most_out));
}

void latent_attention(const Pass& pass, int l, const Matrix<float>& in, const Matrix<float>& out) {
  const LayerConfig& layer = pass.layer(l);
  const LatentConfig& facts = layer.latent;
  const LatentWeights& weights = pass.layer_weights(l).latent;
  const LatentRooms& rooms = pass.buffers.latent;
  const int64_t heads = layer.heads, width = facts.plain_width + facts.rotated_width;
  const Matrix<float> query = view(rooms.query, in.rows, heads * width);
  const Matrix<float> key = view(pass.buffers.attention.key, in.rows, layer.key_width);
  if (facts.query_rank == 0) {
    pass.project(in, {{weights.query, query}, {weights.key, key}});
  } else {
    const Matrix<float> low = view(rooms.low, in.rows, facts.query_rank);
    pass.project(in, {{weights.query_low, low}, {weights.key, key}});
    pass.norm(weights.query_norm, low, low);
    pass.project(low, {{weights.query, query}});
  }
  norm_and_rotate(pass, l, key, query);

  // A head's score with a key made of the short row is the short row's with that head's query here.
  const Matrix<float> absorbed =
      view(pass.buffers.attention.query, in.rows, heads * layer.key_width);
  for (int64_t h = 0; h < heads; ++h) {
    const Linear up = rows_of(weights.key_up, h * facts.rank, facts.rank);
    pass.project(columns_of(query, h * width, facts.plain_width),
                 {{up, columns_of(absorbed, h * layer.key_width, facts.rank)}});
  }
  pass.each_row(in.rows * heads, [&](int64_t i) {
    std::memcpy(absorbed.row(i / heads) + i % heads * layer.key_width + facts.rank,
                query.row(i / heads) + i % heads * width + facts.plain_width,
                static_cast<size_t>(facts.rotated_width) * sizeof(float));
  });
  store_rows(pass, l, key, columns_of(key, 0, facts.rank));
  attend(pass, l);

  const Matrix<float> attended = view(pass.buffers.attention.attended, in.rows, heads * facts.rank);
  const Matrix<float> values = view(rooms.out, in.rows, heads * facts.value_width);
  for (int64_t h = 0; h < heads; ++h) {
    const Linear up = rows_of(weights.value_up, h * facts.value_width, facts.value_width);
    pass.project(columns_of(attended, h * facts.rank, facts.rank),
                 {{up, columns_of(values, h * facts.value_width, facts.value_width)}});
  }
  pass.project(values, {{weights.output, out}});
}

}  // namespace issun::model
