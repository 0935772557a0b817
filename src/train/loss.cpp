// The losses of a network over its logits, some rows at a time: the logits of a whole batch are
// never in memory at once.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "train/network.h"

namespace issun::train {

namespace {

// Logits, or their gradient, times the factor of the network.
void scale_logits(const Pass& pass, const Matrix<float>& logits) {
  const float scale = static_cast<float>(pass.config.logit_scale);
  if (scale == 1) return;
  pass.each_row(logits.rows, [&](int64_t i) {
    pass.kernels.scale(logits.row(i), scale, logits.columns, logits.row(i));
  });
}

// One row: its loss, and upon the logits the gradient of weight * loss.
RowLoss next_row(const kernels::KernelTable& k, float* logits, int n, int32_t target,
                 double weight) {
  const float log_sum = k.log_sum_exp(logits, n);
  const RowLoss loss{static_cast<double>(log_sum) - static_cast<double>(logits[target]), 0,
                     k.argmax(logits, n) == target};
  if (weight == 0) return loss;
  const float shift = static_cast<float>(static_cast<double>(log_sum) - std::log(weight));
  k.exp_shifted(logits, n, 1, shift, logits);
  logits[target] -= static_cast<float>(weight);
  return loss;
}

struct Distillation {
  double share, temperature, weight;
};

// The same against a teacher's logits, which are spent. warm: (2, n).
RowLoss distil_row(const kernels::KernelTable& k, float* logits, float* teacher, int n,
                   int32_t target, const Distillation& how, float* warm) {
  const float cooling = static_cast<float>(1 / how.temperature);
  float *own = warm, *wanted = warm + n;
  k.scale(teacher, cooling, n, wanted);
  k.scale(logits, cooling, n, own);
  const float teacher_sum = k.log_sum_exp(wanted, n), own_sum = k.log_sum_exp(own, n);
  k.exp_shifted(wanted, n, 1, teacher_sum, teacher);
  const double divergence = static_cast<double>(k.dot(teacher, wanted, n)) -
                            static_cast<double>(k.dot(teacher, own, n)) -
                            static_cast<double>(teacher_sum) + static_cast<double>(own_sum);
  k.exp_shifted(own, n, 1, own_sum, own);
  const double plain = (1 - how.share) * how.weight;
  RowLoss loss = next_row(k, logits, n, target, plain);
  loss.divergence = divergence;
  if (how.weight == 0) return loss;
  if (plain == 0) std::fill_n(logits, n, 0.0f);
  const float factor = static_cast<float>(how.share * how.temperature * how.weight);
  k.add_scaled(own, factor, n, logits);
  k.add_scaled(teacher, -factor, n, logits);
  return loss;
}

void add(const Rooms& rooms, int64_t count, LossSums& sums) {
  for (const RowLoss& row : rooms.losses.first(static_cast<size_t>(count))) {
    sums.cross_entropy += row.cross_entropy;
    sums.divergence += row.divergence;
    sums.hits += row.hit ? 1 : 0;
  }
  sums.rows += count;
}

}  // namespace

int64_t Network::find_live() const {
  int64_t count = 0;
  for (size_t t = 0; t < batch_->targets.size(); ++t) {
    if (batch_->targets[t] != kNoTarget) {
      rooms_->live[static_cast<size_t>(count++)] = static_cast<int32_t>(t);
    }
  }
  return count;
}

Matrix<float> Network::output(std::span<const int32_t> rows, std::span<float> room) const {
  const Pass pass = this->pass();
  const int64_t count = static_cast<int64_t>(rows.size()), width = config_.embedding_length;
  const Matrix<float> hidden = view(rooms_->hidden, pass.rows(), width);
  const Matrix<float> some = view(rooms_->live_hidden, count, width);
  pass.each_row(count, [&](int64_t i) {
    std::memcpy(some.row(i), hidden.row(rows[static_cast<size_t>(i)]),
                static_cast<size_t>(width) * sizeof(float));
  });
  const Matrix<float> logits = view(room, count, config_.vocabulary_size);
  pass.project(some, {{weights_.output, logits}});
  scale_logits(pass, logits);
  return logits;
}

void Network::output_back(std::span<const int32_t> rows, const Matrix<float>& d_logits) const {
  const Pass pass = this->pass();
  const int64_t width = config_.embedding_length;
  const Matrix<float> some = view(rooms_->live_hidden, d_logits.rows, width);
  const Matrix<float> d_some = view(rooms_->d_live_hidden, d_logits.rows, width);
  const Matrix<float> d_hidden = view(rooms_->d_hidden, pass.rows(), width);
  scale_logits(pass, d_logits);
  pass.project_back(weights_.output, some, d_logits, d_some, false);
  pass.each_row(d_logits.rows, [&](int64_t i) {
    std::memcpy(d_hidden.row(rows[static_cast<size_t>(i)]), d_some.row(i),
                static_cast<size_t>(width) * sizeof(float));
  });
}

template <class Row>
LossSums Network::each_output(bool slopes, Row&& row) {
  const Matrix<float> d_hidden = hidden_gradient();
  if (slopes) std::fill_n(d_hidden.data, d_hidden.rows * d_hidden.columns, 0.0f);
  LossSums sums;
  const int64_t live = find_live();
  for (int64_t first = 0; first < live; first += rooms_->output_rows) {
    const int64_t count = std::min(rooms_->output_rows, live - first);
    const std::span<const int32_t> rows =
        rooms_->live.subspan(static_cast<size_t>(first), static_cast<size_t>(count));
    const Matrix<float> logits = output(rows, rooms_->logits);
    row(rows, logits);
    add(*rooms_, count, sums);
    if (slopes) output_back(rows, logits);
  }
  return sums;
}

LossSums Network::next_loss(double weight) {
  return each_output(weight != 0, [&](std::span<const int32_t> rows, const Matrix<float>& logits) {
    pass().each_row(logits.rows, [&](int64_t i) {
      const int32_t target = batch_->targets[static_cast<size_t>(rows[static_cast<size_t>(i)])];
      rooms_->losses[static_cast<size_t>(i)] =
          next_row(kernels_, logits.row(i), config_.vocabulary_size, target, weight);
    });
  });
}

LossSums Network::distil(Network& teacher, double share, double temperature, double weight) {
  const Distillation how{share, temperature, weight};
  const int n = config_.vocabulary_size;
  CHECK_THAT(teacher.config_.vocabulary_size == n && teacher.batch_ == batch_);
  return each_output(weight != 0, [&](std::span<const int32_t> rows, const Matrix<float>& logits) {
    const Matrix<float> wanted = teacher.output(rows, rooms_->teacher);
    workers_.for_each(logits.rows, 4, [&](int64_t begin, int64_t end, int worker) {
      float* warm = rooms_->warm.data() + int64_t{2} * worker * n;
      for (int64_t i = begin; i < end; ++i) {
        const int32_t target = batch_->targets[static_cast<size_t>(rows[static_cast<size_t>(i)])];
        rooms_->losses[static_cast<size_t>(i)] =
            distil_row(kernels_, logits.row(i), wanted.row(i), n, target, how, warm);
      }
    });
  });
}

}  // namespace issun::train
