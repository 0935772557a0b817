#include "model/forward.h"

#include <algorithm>

#include "base/check.h"
#include "kernels/attention.h"
#include "model/buffers.h"
#include "model/layer/layer.h"

namespace issun::model {

int64_t Forward::planned_bytes(const ModelConfig& config, const kernels::KernelTable& kernels,
                               const ForwardOptions& options, int workers) {
  const auto plan = Buffers::make(config, kernels, options, workers, false);
  return (*plan)->arena.planned_bytes() + workers * kernels::kScratchBytes;
}

Forward::Forward(const ModelConfig& config, const Weights& weights,
                 const kernels::KernelTable& kernels, Workers& workers,
                 const ForwardOptions& options)
    : config_(config), weights_(weights), kernels_(kernels), workers_(workers), options_(options) {}

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
  if (weights.learned_positions) check(weights.learned_positions);
  check(weights.output.weight);
  if (weights.token_types) check(weights.token_types);
  for (const Tensor& matrix :
       {weights.layer_inputs.embedding, weights.layer_inputs.projection.weight,
        weights.open_streams.weight, weights.close_streams.weight}) {
    if (matrix) check(matrix);
  }
  weights.each_layer_matrix([&](const Tensor& matrix, double) { check(matrix); });
  if (why == nullptr) return {};
  return fail("{}: cannot be computed with: {}", which, why);
}

}  // namespace

Result<std::unique_ptr<Forward>> Forward::create(const ModelConfig& config, const Weights& weights,
                                                 const kernels::KernelTable& kernels,
                                                 Workers& workers, const ForwardOptions& options) {
  TRY(check_computable(weights, kernels));
  if (config.learned_positions != 0 && options.context > config.learned_positions) {
    return fail(
        "context: expected up to {} tokens, for which this model has learned positions, "
        "found {}",
        config.learned_positions, options.context);
  }
  std::unique_ptr<Forward> forward(new Forward(config, weights, kernels, workers, options));
  for (const RopeConfig& rope : config.ropes) {
    forward->ropes_.push_back(
        TRY(Rope::create(rope, rope_factors(rope, weights, options.context))));
  }
  auto buffers = Buffers::make(config, kernels, options, workers.count(), true);
  if (!buffers) {
    return fail("working memory for batches of {} tokens: {}", options.max_rows,
                buffers.error().message);
  }
  forward->buffers_ = std::move(*buffers);
  forward->adapter_scales_.assign(static_cast<size_t>(options.adapters.count), 1);
  forward->scratch_ = TRY(kernels::LinearScratch::create(workers.count()));
  return forward;
}

void Forward::scale_adapters(std::span<const float> scales) {
  CHECK_THAT(scales.size() == adapter_scales_.size());
  std::copy(scales.begin(), scales.end(), adapter_scales_.begin());
}

bool Forward::computes_alike(int rows, int other) const {
  const auto attends_alike = [&](const LayerConfig& layer) {
    const int64_t group = layer.attends() ? layer.heads / layer.kv_heads : 0;
    return kernels::same_attention(kernels_, options_.exact, group * rows, group * other);
  };
  return kernels::same_families(kernels_, options_.exact, rows, other) &&
         std::all_of(config_.layers.begin(), config_.layers.end(), attends_alike);
}

Result<Matrix<const float>> Forward::run(const Batch& batch, cache::PagedKv& cache) {
  CHECK_THAT(static_cast<int>(batch.tokens.size()) <= options_.max_rows);
  CHECK_THAT(static_cast<int>(batch.sequences.size()) <= options_.max_sequences);
  CHECK_THAT(static_cast<int>(batch.outputs.size()) <= options_.max_outputs);
  CHECK_THAT(cache.shape().layers.size() == config_.layers.size());
  if (residency_ != nullptr) TRY(residency_->make_way(cache.touched_bytes()));
  Residency* const begun = residency_ != nullptr && residency_->begun() ? residency_ : nullptr;
  const Pass pass{config_,
                  weights_,
                  kernels_,
                  workers_,
                  scratch_,
                  options_.exact,
                  options_.observer,
                  options_.routing,
                  options_.profile,
                  begun,
                  adapter_scales_,
                  *buffers_,
                  batch,
                  cache};
  const ProfiledPass profiled(options_.profile);
  place(pass);
  embed(pass);
  prepare_layer_inputs(pass);
  open_streams(pass);
  for (int l = 0; l < static_cast<int>(config_.layers.size()); ++l) TRY(run_one(pass, l));
  close_streams(pass);
  const Matrix<float> rows = hidden(pass);
  if (options_.hidden) {
    return Matrix<const float>{rows.data, rows.rows, rows.columns, rows.stride};
  }
  return logits(pass, rows);
}

Result<void> Forward::run_one(const Pass& pass, int l) const {
  Residency* const residency = pass.residency;
  const bool whole = residency != nullptr && residency->whole_layers();
  if (whole) {
    const Timed timed(options_.profile, Step::Waiting);
    residency->enter(l);
    TRY(residency->failure());
  }
  run_layer(pass, l);
  if (whole) residency->leave(l);
  if (residency != nullptr) TRY(residency->failure());
  return {};
}

// Where each row stands, and how it is rotated.
void Forward::place(const Pass& pass) const {
  Buffers& buffers = *buffers_;
  size_t row = 0;
  for (const SequenceRows& sequence : pass.batch.sequences) {
    CHECK_THAT(sequence.table->length <= options_.context);
    for (int i = 0; i < sequence.rows; ++i, ++row) {
      const int position = sequence.table->length - sequence.rows + i;
      buffers.positions[row] = position;
      buffers.pages[row] =
          sequence.table->pages[static_cast<size_t>(position / cache::kPageTokens)];
    }
  }
  CHECK_THAT(row == pass.batch.tokens.size());
  divide_into_tiles(pass);
  pass.each_row(pass.rows(), [&](int64_t t) {
    for (size_t i = 0; i < ropes_.size(); ++i) {
      const int pairs = ropes_[i].pairs();
      ropes_[i].fill(buffers.positions[static_cast<size_t>(t)],
                     buffers.rotations[i].cosines.data() + t * pairs,
                     buffers.rotations[i].sines.data() + t * pairs);
    }
  });
}

void Forward::embed(const Pass& pass) const {
  const Timed timed(pass.profile, Step::Embedding);
  const int64_t width = config_.embedding_length;
  const Matrix<float> residual = view(buffers_->residual, pass.rows(), width);
  const Matrix<float> normed = view(buffers_->normed, pass.rows(), width);
  const auto row = [&](float* data) { return std::span(data, static_cast<size_t>(width)); };
  pass.each_row(pass.rows(), [&](int64_t t) {
    float* x = residual.row(t);
    kernels::embed_row(kernels_, weights_.token_embedding,
                       pass.batch.tokens[static_cast<size_t>(t)], row(x));
    if (config_.embedding_scale != 1) {
      kernels_.scale(x, static_cast<float>(config_.embedding_scale), width, x);
    }
    if (config_.learned_positions != 0) {
      kernels::embed_row(kernels_, weights_.learned_positions,
                         buffers_->positions[static_cast<size_t>(t)], row(normed.row(t)));
      kernels_.add(x, normed.row(t), width, x);
    }
    if (weights_.token_types) {
      kernels::embed_row(kernels_, weights_.token_types, 0, row(normed.row(t)));
      kernels_.add(x, normed.row(t), width, x);
    }
    if (weights_.embedding_norm) pass.norm_row(weights_.embedding_norm, x, width, x);
  });
}

// What the layers leave in the rows that are wanted, normed.
Matrix<float> Forward::hidden(const Pass& pass) const {
  const Timed timed(pass.profile, Step::Norms);
  const int64_t rows = static_cast<int64_t>(pass.batch.outputs.size());
  const Matrix<float> residual = view(buffers_->residual, pass.rows(), config_.embedding_length);
  const Matrix<float> normed = view(buffers_->normed, rows, config_.embedding_length);
  pass.each_row(rows, [&](int64_t i) {
    const float* from = residual.row(pass.batch.outputs[static_cast<size_t>(i)]);
    if (weights_.output_norm) {
      pass.norm_row(weights_.output_norm, from, normed.columns, normed.row(i));
    } else {
      std::copy_n(from, normed.columns, normed.row(i));
    }
  });
  return normed;
}

Matrix<const float> Forward::logits(const Pass& pass, const Matrix<float>& normed) const {
  const Timed timed(pass.profile, Step::OutputMatrix);
  const int64_t rows = normed.rows;
  const Matrix<float> out = view(buffers_->logits, rows, config_.vocabulary_size);
  if (rows > 0) pass.project(normed, {{weights_.output, out}});
  pass.each_row(rows, [&](int64_t i) {
    float* x = out.row(i);
    if (config_.logit_scale != 1) {
      kernels_.scale(x, static_cast<float>(config_.logit_scale), out.columns, x);
    }
    if (config_.logit_softcap != 0) {
      kernels_.soft_cap(x, out.columns, static_cast<float>(config_.logit_softcap));
    }
  });
  return {out.data, rows, out.columns, out.stride};
}

}  // namespace issun::model
