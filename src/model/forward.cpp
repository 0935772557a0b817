#include "model/forward.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "model/buffers.h"

namespace issun::model {

using kernels::Activations;
using kernels::Product;

namespace {

// The first `rows` rows of a buffer that holds rows of `columns`.
Matrix<float> view(std::span<float> buffer, int64_t rows, int64_t columns) {
  return {buffer.data(), rows, columns, columns};
}

}  // namespace

int64_t Forward::planned_bytes(const ModelConfig& config, const kernels::KernelTable& kernels,
                               const ForwardOptions& options, int workers) {
  const auto plan = Buffers::make(config, kernels, options, workers, false);
  return plan->arena.planned_bytes() + workers * kernels::kScratchBytes;
}

Forward::Forward(const ModelConfig& config, const Weights& weights,
                 const kernels::KernelTable& kernels, Workers& workers,
                 const ForwardOptions& options, Rope rope)
    : config_(config),
      weights_(weights),
      kernels_(kernels),
      workers_(workers),
      options_(options),
      rope_(std::move(rope)) {}

Forward::~Forward() = default;

namespace {

// Whether these kernels can compute with every matrix of the network.
Result<void> check_computable(const Weights& weights, const kernels::KernelTable& kernels) {
  const char* why = nullptr;
  std::string_view which;
  const auto check = [&](const Tensor& matrix) {
    const char* found = kernels::why_not_computable(kernels, matrix.type, matrix.columns());
    if (why == nullptr && found != nullptr) {
      why = found;
      which = matrix.name;
    }
  };
  check(weights.token_embedding);
  check(weights.output.weight);
  weights.each_layer_matrix(check);
  if (why == nullptr) return {};
  return fail("{}: cannot be computed with: {}", which, why);
}

}  // namespace

Result<std::unique_ptr<Forward>> Forward::create(const ModelConfig& config, const Weights& weights,
                                                 const kernels::KernelTable& kernels,
                                                 Workers& workers, const ForwardOptions& options) {
  TRY(check_computable(weights, kernels));
  const Tensor& factors = weights.rope_factors;
  Rope rope = TRY(Rope::create(
      config.rope, factors ? std::span(factors.floats(), static_cast<size_t>(factors.columns()))
                           : std::span<const float>()));
  std::unique_ptr<Forward> forward(
      new Forward(config, weights, kernels, workers, options, std::move(rope)));
  auto buffers = Buffers::make(config, kernels, options, workers.count(), true);
  if (!buffers) {
    return fail("working memory for batches of {} tokens: {}", options.max_rows,
                buffers.error().message);
  }
  forward->buffers_ = std::make_unique<Buffers>(std::move(*buffers));
  forward->scratch_ = TRY(kernels::LinearScratch::create(workers.count()));
  return forward;
}

template <class Body>
void Forward::each_row(int64_t rows, Body&& body) const {
  const int64_t chunk = std::max<int64_t>(1, rows / (4 * workers_.count()));
  workers_.for_each(rows, chunk, [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; ++t) body(t);
  });
}

Matrix<const float> Forward::run(const Batch& batch, cache::PagedKv& cache) {
  CHECK_THAT(static_cast<int>(batch.tokens.size()) <= options_.max_rows);
  CHECK_THAT(static_cast<int>(batch.sequences.size()) <= options_.max_sequences);
  CHECK_THAT(static_cast<int>(batch.outputs.size()) <= options_.max_outputs);
  CHECK_THAT(cache.shape().layers.size() == config_.layers.size());
  embed(batch);
  place(batch);
  for (int l = 0; l < static_cast<int>(config_.layers.size()); ++l) {
    attention_block(l, batch, cache);
    feed_forward_block(l, static_cast<int>(batch.tokens.size()));
  }
  return logits(batch);
}

void Forward::embed(const Batch& batch) {
  const int64_t width = config_.embedding_length;
  each_row(static_cast<int64_t>(batch.tokens.size()), [&](int64_t t) {
    kernels::embed_row(
        kernels_, weights_.token_embedding, batch.tokens[static_cast<size_t>(t)],
        buffers_->residual.subspan(static_cast<size_t>(t * width), static_cast<size_t>(width)));
  });
}

// Positions of the rows, their rotations, and where each sequence's share of attention work begins.
void Forward::place(const Batch& batch) {
  int64_t row = 0, items = 0;
  for (size_t s = 0; s < batch.sequences.size(); ++s) {
    const SequenceRows& sequence = batch.sequences[s];
    CHECK_THAT(sequence.table->length <= options_.context);
    buffers_->first_item[s] = items;
    items += (sequence.rows + kAttentionTokens - 1) / kAttentionTokens;
    for (int i = 0; i < sequence.rows; ++i, ++row) {
      const int position = sequence.table->length - sequence.rows + i;
      buffers_->positions[static_cast<size_t>(row)] = position;
      buffers_->pages[static_cast<size_t>(row)] =
          sequence.table->pages[static_cast<size_t>(position / cache::kPageTokens)];
    }
  }
  CHECK_THAT(row == static_cast<int64_t>(batch.tokens.size()));
  buffers_->first_item[batch.sequences.size()] = items;
  const int pairs = rope_.pairs();
  each_row(row, [&](int64_t t) {
    rope_.fill(buffers_->positions[static_cast<size_t>(t)], buffers_->cosines.data() + t * pairs,
               buffers_->sines.data() + t * pairs);
  });
}

void Forward::norm(const Matrix<float>& in, const Tensor& gains, const Matrix<float>& out) const {
  each_row(in.rows, [&](int64_t t) {
    kernels_.rms_norm(in.row(t), gains.floats(), static_cast<int>(in.columns),
                      static_cast<float>(config_.norm_epsilon), out.row(t));
  });
}

// The rows as products read them: in 8 bits too when one of the weights wants that.
Activations Forward::activations(const Matrix<float>& rows, std::initializer_list<DType> weights) {
  Activations prepared;
  prepared.rows = {rows.data, rows.rows, rows.columns, rows.stride};
  prepared.q8 = buffers_->q8.data();
  for (const DType type : weights) {
    if (prepared.q8_ready || !kernels::wants_q8(kernels_, type, options_.exact)) continue;
    kernels::prepare_q8(kernels_, workers_, prepared);
  }
  return prepared;
}

void Forward::add_bias(const Tensor& bias, const Matrix<float>& rows) const {
  if (!bias) return;
  each_row(rows.rows,
           [&](int64_t t) { kernels_.add(rows.row(t), bias.floats(), rows.columns, rows.row(t)); });
}

// What ends both halves of a layer: back to the embedding's width, and onto the residual.
void Forward::project_to_residual(const Linear& linear, const Matrix<float>& rows) {
  const Matrix<float> projected = view(buffers_->projected, rows.rows, config_.embedding_length);
  const Matrix<float> residual = view(buffers_->residual, rows.rows, config_.embedding_length);
  const Product product[] = {{linear.weight, projected}};
  kernels::linear(kernels_, workers_, scratch_, activations(rows, {linear.weight.type}), product,
                  options_.exact);
  add_bias(linear.bias, projected);
  each_row(rows.rows, [&](int64_t t) {
    kernels_.add(residual.row(t), projected.row(t), projected.columns, residual.row(t));
  });
}

void Forward::attention_block(int l, const Batch& batch, cache::PagedKv& cache) {
  const LayerConfig& layer = config_.layers[static_cast<size_t>(l)];
  const LayerWeights& weights = weights_.layers[static_cast<size_t>(l)];
  const int64_t rows = static_cast<int64_t>(batch.tokens.size());
  const Matrix<float> normed = view(buffers_->normed, rows, config_.embedding_length);
  norm(view(buffers_->residual, rows, config_.embedding_length), weights.attention_norm, normed);

  const Matrix<float> query = view(buffers_->query, rows, int64_t{layer.heads} * layer.key_width);
  const Matrix<float> key = view(buffers_->key, rows, int64_t{layer.kv_heads} * layer.key_width);
  const Matrix<float> value =
      view(buffers_->value, rows, int64_t{layer.kv_heads} * layer.value_width);
  const Product projections[] = {
      {weights.query.weight, query}, {weights.key.weight, key}, {weights.value.weight, value}};
  kernels::linear(kernels_, workers_, scratch_,
                  activations(normed, {weights.query.weight.type, weights.key.weight.type,
                                       weights.value.weight.type}),
                  projections, options_.exact);
  add_bias(weights.query.bias, query);
  add_bias(weights.key.bias, key);
  add_bias(weights.value.bias, value);

  remember(l, static_cast<int>(rows), cache);
  attend(l, batch, cache);

  const Matrix<float> attended =
      view(buffers_->attended, rows, int64_t{layer.heads} * layer.value_width);
  project_to_residual(weights.output, attended);
}

// Rotates queries and keys, and puts keys and values into the cache.
void Forward::remember(int l, int rows, cache::PagedKv& cache) {
  const LayerConfig& layer = config_.layers[static_cast<size_t>(l)];
  const int pairs = rope_.pairs();
  const auto rotate = config_.rope.pairing == RopePairing::Adjacent ? kernels_.rope_neighbours
                                                                    : kernels_.rope_halves;
  const auto store = kernels_.encode_row[static_cast<int>(cache.shape().key_type)];
  each_row(rows, [&](int64_t t) {
    const int32_t page = buffers_->pages[static_cast<size_t>(t)];
    const int slot = buffers_->positions[static_cast<size_t>(t)] % cache::kPageTokens;
    const float* cosines = buffers_->cosines.data() + t * pairs;
    const float* sines = buffers_->sines.data() + t * pairs;
    float* query = buffers_->query.data() + t * layer.heads * layer.key_width;
    float* key = buffers_->key.data() + t * layer.kv_heads * layer.key_width;
    const float* value = buffers_->value.data() + t * layer.kv_heads * layer.value_width;
    for (int h = 0; h < layer.heads; ++h) {
      rotate(query + h * layer.key_width, cosines, sines, pairs);
    }
    for (int h = 0; h < layer.kv_heads; ++h) {
      rotate(key + h * layer.key_width, cosines, sines, pairs);
      store(key + h * layer.key_width, layer.key_width, cache.key_row(l, h, page, slot));
      store(value + h * layer.value_width, layer.value_width, cache.value_row(l, h, page, slot));
    }
  });
}

// One piece of work is a tile of tokens of one sequence against one kv head.
void Forward::attend(int l, const Batch& batch, const cache::PagedKv& cache) {
  const LayerConfig& layer = config_.layers[static_cast<size_t>(l)];
  const int group = layer.heads / layer.kv_heads;
  const auto kernel = kernels_.attention[static_cast<int>(cache.shape().key_type)];
  const int64_t tiles = buffers_->first_item[batch.sequences.size()];
  workers_.for_each(tiles * layer.kv_heads, 1, [&](int64_t item, int64_t, int worker) {
    const int head = static_cast<int>(item % layer.kv_heads);
    const int64_t tile = item / layer.kv_heads;
    size_t s = 0;
    int64_t first = 0;
    for (; buffers_->first_item[s + 1] <= tile; ++s) first += batch.sequences[s].rows;
    const SequenceRows& sequence = batch.sequences[s];
    const int begin = static_cast<int>(tile - buffers_->first_item[s]) * kAttentionTokens;
    const int end = std::min(begin + kAttentionTokens, sequence.rows);

    AttentionRoom& room = buffers_->rooms[static_cast<size_t>(worker)];
    const int last = buffers_->positions[static_cast<size_t>(first + end - 1)];
    for (int p = 0; p <= last / cache::kPageTokens; ++p) {
      const int32_t page = sequence.table->pages[static_cast<size_t>(p)];
      room.key_pages[static_cast<size_t>(p)] = cache.key_row(l, head, page, 0);
      room.value_pages[static_cast<size_t>(p)] = cache.value_row(l, head, page, 0);
    }
    int rows = 0;
    for (int i = begin; i < end; ++i) {
      const float* query =
          buffers_->query.data() + ((first + i) * layer.heads + head * group) * layer.key_width;
      std::memcpy(room.queries.data() + rows * layer.key_width, query,
                  static_cast<size_t>(group * layer.key_width) * sizeof(float));
      for (int g = 0; g < group; ++g, ++rows) {
        room.visible_begin[static_cast<size_t>(rows)] = 0;
        room.visible_end[static_cast<size_t>(rows)] =
            buffers_->positions[static_cast<size_t>(first + i)] + 1;
      }
    }
    kernels::AttentionTask task{};
    task.queries = room.queries.data();
    task.query_stride = layer.key_width;
    task.rows = rows;
    task.key_width = layer.key_width;
    task.value_width = layer.value_width;
    task.key_pages = room.key_pages.data();
    task.value_pages = room.value_pages.data();
    task.page_tokens = cache::kPageTokens;
    task.visible_begin = room.visible_begin.data();
    task.visible_end = room.visible_end.data();
    task.scale = static_cast<float>(config_.attention_scale);
    task.out = room.out.data();
    task.out_stride = layer.value_width;
    kernel(&task, room.scratch.data());
    for (int i = begin; i < end; ++i) {
      float* attended = buffers_->attended.data() +
                        ((first + i) * layer.heads + head * group) * layer.value_width;
      std::memcpy(attended, room.out.data() + (i - begin) * group * layer.value_width,
                  static_cast<size_t>(group * layer.value_width) * sizeof(float));
    }
  });
}

void Forward::feed_forward_block(int l, int rows) {
  const LayerConfig& layer = config_.layers[static_cast<size_t>(l)];
  const LayerWeights& weights = weights_.layers[static_cast<size_t>(l)];
  const Matrix<float> normed = view(buffers_->normed, rows, config_.embedding_length);
  norm(view(buffers_->residual, rows, config_.embedding_length), weights.feed_forward_norm, normed);

  const Matrix<float> gate = view(buffers_->gate, rows, layer.feed_forward_length);
  const Matrix<float> up = view(buffers_->up, rows, layer.feed_forward_length);
  const Product widen[] = {{weights.gate.weight, gate}, {weights.up.weight, up}};
  kernels::linear(kernels_, workers_, scratch_,
                  activations(normed, {weights.gate.weight.type, weights.up.weight.type}), widen,
                  options_.exact);
  add_bias(weights.gate.bias, gate);
  add_bias(weights.up.bias, up);
  each_row(rows, [&](int64_t t) {
    kernels_.silu_mul(gate.row(t), up.row(t), gate.columns, gate.row(t));
  });
  project_to_residual(weights.down, gate);
}

Matrix<const float> Forward::logits(const Batch& batch) {
  const int64_t rows = static_cast<int64_t>(batch.outputs.size());
  const Matrix<float> residual =
      view(buffers_->residual, static_cast<int64_t>(batch.tokens.size()), config_.embedding_length);
  const Matrix<float> normed = view(buffers_->normed, rows, config_.embedding_length);
  each_row(rows, [&](int64_t i) {
    kernels_.rms_norm(residual.row(batch.outputs[static_cast<size_t>(i)]),
                      weights_.output_norm.floats(), config_.embedding_length,
                      static_cast<float>(config_.norm_epsilon), normed.row(i));
  });
  const Matrix<float> out = view(buffers_->logits, rows, config_.vocabulary_size);
  if (rows > 0) {
    const Product product[] = {{weights_.output.weight, out}};
    kernels::linear(kernels_, workers_, scratch_,
                    activations(normed, {weights_.output.weight.type}), product, options_.exact);
    add_bias(weights_.output.bias, out);
  }
  return {out.data, rows, out.columns, out.stride};
}

}  // namespace issun::model
