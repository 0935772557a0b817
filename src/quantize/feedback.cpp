#include "quantize/feedback.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <numeric>

#include "quantize/factor.h"

namespace issun::quantize {

namespace {

// What the scales that the search found are tried to be times: a block's codes then follow with
// feedback, and the scales count that lose least with it.
constexpr float kStretches[] = {1, 0.92f, 0.96f, 1.04f, 1.08f};
constexpr int kDescents = 4;  // passes over all codes of a row

}  // namespace

void Hessian::finish() {
  const float share = inputs > 0 ? 1 / static_cast<float>(inputs) : 0;
  for (float& sum : sums) sum *= share;
  double trace = 0;
  for (int64_t i = 0; i < n; ++i)
    trace += static_cast<double>(sums[static_cast<size_t>(i * n + i)]);
  const double mean = trace > 0 ? trace / static_cast<double>(n) : 1;
  for (int64_t i = 0; i < n; ++i) {
    float& own = sums[static_cast<size_t>(i * n + i)];
    own += static_cast<float>(kDamping * mean);
  }
}

namespace {

std::vector<int> order_of(const Hessian& hessian, int block, int unit, bool by_weight) {
  const auto n = static_cast<int>(hessian.n);
  std::vector<int> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  if (!by_weight) return order;
  const auto weigh = [&](int first, int count) {
    double sum = 0;
    for (int i = first; i < first + count; ++i)
      sum += static_cast<double>(hessian.sums[static_cast<size_t>(i) * static_cast<size_t>(n + 1)]);
    return sum;
  };
  std::vector<double> blocks, units;
  for (int i = 0; i < n; ++i) {
    blocks.push_back(weigh(i / block * block, block));
    units.push_back(weigh(i / unit * unit, unit));
  }
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    const auto key = [&](int i) {
      const auto at = static_cast<size_t>(i);
      return std::tuple(-blocks[at], i / block, -units[at], i / unit, i);
    };
    return key(a) < key(b);
  });
  return order;
}

}  // namespace

Result<Factor> factor(const Hessian& hessian, int block, int unit, bool by_weight,
                      Workers& workers) {
  Factor made;
  made.n = hessian.n;
  made.block = block;
  made.unit = unit;
  made.order = order_of(hessian, block, unit, by_weight);
  std::vector<double> matrix;
  reorder(hessian.sums, made.order, workers, &matrix);
  if (!factor_upper(made.n, &matrix, workers))
    return fail("a Hessian of {} columns is not positive definite", made.n);
  made.upper.assign(matrix.begin(), matrix.end());
  made.losses.resize(static_cast<size_t>(made.n));
  for (int64_t i = 0; i < made.n; ++i) {
    // Within a unit all errors are made at once.
    const int64_t end = (i / unit + 1) * unit;
    double loss = 0;
    for (int64_t k = i; k < end; ++k) {
      const double r = matrix[static_cast<size_t>(i * made.n + k)];
      loss += r * r;
    }
    made.losses[static_cast<size_t>(made.order[static_cast<size_t>(i)])] = static_cast<float>(loss);
  }
  return made;
}

double feed_block(const Factor& factor, int64_t first, const float* weights,
                  const kernels::KernelTable& kernels, Grid* grid, float* carried, float* errors) {
  const int unit = factor.unit, block = factor.block;
  double loss = 0;
  for (int j = 0; j < block; j += unit) {
    const int64_t turn = first + j;
    const int column = factor.order[static_cast<size_t>(turn)];
    float x[kMostUnit], shift[kMostUnit], values[kMostUnit];
    for (int u = 0; u < unit; ++u) {
      float sum = carried[j + u];
      for (int k = 0; k < u; ++k) sum -= shift[k] * factor.row(turn + k)[turn + u];
      shift[u] = sum / factor.row(turn + u)[turn + u];
      x[u] = weights[column + u] + shift[u];
    }
    grid->choose(column % block, x, factor.losses.data() + column, values);
    for (int u = 0; u < unit; ++u) {
      const float error = weights[column + u] - values[u];
      errors[turn + u] = error;
      kernels.add_scaled(factor.row(turn + u) + turn + u, error, block - j - u, carried + j + u);
    }
    for (int u = 0; u < unit; ++u)
      loss += static_cast<double>(carried[j + u]) * static_cast<double>(carried[j + u]);
  }
  return loss;
}

Feedback::Feedback(const Tools& tools, DType type, const Hessian& hessian, const Factor* factor)
    : tools_(tools), type_(type), hessian_(hessian), factor_(factor), n_(hessian.n) {
  for (int64_t i = 0; i < n_; ++i)
    diagonal_.push_back(hessian.sums[static_cast<size_t>(i * n_ + i)]);
  rooms_.resize(static_cast<size_t>(tools.workers.count()));
  for (Room& room : rooms_) {
    room.scratch = std::make_unique<EncodeScratch>();
    room.grid = make_grid(type, tools.encoder, room.scratch.get());
    room.again.resize(static_cast<size_t>(n_) + 256);
  }
}

template <class Body>
void Feedback::each_row(int64_t rows, Body&& body) {
  tools_.workers.for_each(rows, 4, [&](int64_t begin, int64_t end, int worker) {
    for (int64_t r = begin; r < end; ++r) body(r, &rooms_[static_cast<size_t>(worker)]);
  });
}

std::byte* Feedback::block_at(int64_t r, int64_t column) {
  return out_ + r * row_bytes(type_, n_) +
         column / factor_->block * row_bytes(type_, factor_->block);
}

void Feedback::round(const Matrix<const float>& weights, std::byte* out, const Errors& errors) {
  const int64_t rows = weights.rows, bytes = row_bytes(type_, n_);
  const auto count = static_cast<size_t>(rows * n_);
  by_column_.resize(count);
  products_.resize(count);
  std::vector<std::byte> searched(static_cast<size_t>(rows * bytes));
  errors_of(weights, errors.all);
  each_row(rows, [&](int64_t r, Room* room) {
    tools_.encoder.encode_row(type_, weights.row(r), n_, diagonal_.data(), room->scratch.get(),
                              searched.data() + r * bytes);
  });
  lose(weights, searched.data(), errors.search);
  if (factor_ != nullptr) {
    out_ = out;
    errors_.resize(count);
    carried_.resize(static_cast<size_t>(rows * factor_->block));
    for (int64_t first = 0; first < n_; first += factor_->block) round_block(weights, first);
    descend(weights);
    lose(weights, out, errors.written);
  }
  for (int64_t r = 0; r < rows; ++r) {
    const auto at = static_cast<size_t>(r);
    if (factor_ != nullptr && errors.written[at] <= errors.search[at]) continue;
    std::memcpy(out + r * bytes, searched.data() + r * bytes, static_cast<size_t>(bytes));
    errors.written[at] = errors.search[at];
  }
}

// The errors of encoded rows.
void Feedback::lose(const Matrix<const float>& weights, const std::byte* rows,
                    std::span<double> out) {
  each_row(weights.rows, [&](int64_t r, Room* room) {
    tools_.kernels.decode_row[static_cast<size_t>(type_)](rows + r * row_bytes(type_, n_),
                                                          static_cast<int>(n_), room->again.data());
    for (int64_t i = 0; i < n_; ++i)
      by_column_[static_cast<size_t>(r * n_ + i)] =
          weights.row(r)[i] - room->again[static_cast<size_t>(i)];
  });
  errors_of({by_column_.data(), weights.rows, n_}, out);
}

// The block whose columns are turns [first, first + block), of all rows.
void Feedback::round_block(const Matrix<const float>& weights, int64_t first) {
  const int64_t n = n_, rows = weights.rows;
  const kernels::Gemm carry = {
      .a = kernels::operand(Matrix<const float>{errors_.data(), rows, first, n}),
      .b = kernels::operand(
          Matrix<const float>{factor_->upper.data() + first, first, factor_->block, n}),
      .out = {carried_.data(), rows, factor_->block}};
  kernels::gemm(tools_.kernels, tools_.workers, tools_.gemm, {&carry, 1});
  tools_.workers.for_each(rows, 4, [&](int64_t begin, int64_t end, int worker) {
    for (int64_t r = begin; r < end; ++r)
      round_row_of_block(weights.row(r), r, first, &rooms_[static_cast<size_t>(worker)]);
  });
}

void Feedback::round_row_of_block(const float* weights, int64_t r, int64_t first, Room* room) {
  const int block = factor_->block;
  const int64_t begin = factor_->order[static_cast<size_t>(first)] / block * block;
  const float* carried = carried_.data() + r * block;
  // What the block would best be, if nothing of it had to be rounded: the scales are for that.
  float shift[kMostGridValues], wanted[kMostGridValues];
  std::copy_n(carried, block, shift);
  for (int j = 0; j < block; ++j) {
    const float* factors = factor_->row(first + j) + first;
    shift[j] /= factors[j];
    tools_.kernels.add_scaled(factors + j + 1, -shift[j], block - j - 1, shift + j + 1);
    const int64_t column = factor_->order[static_cast<size_t>(first + j)];
    wanted[column - begin] = weights[column] + shift[j];
  }
  std::byte* out = block_at(r, begin);
  const auto bytes = static_cast<size_t>(row_bytes(type_, block));
  std::byte found[512], tried[512];
  tools_.encoder.encode_row(type_, wanted, block, factor_->losses.data() + begin,
                            room->scratch.get(), found);
  double least = 0;
  float* errors = errors_.data() + r * n_;
  float best[kMostGridValues], terms[kMostGridValues];
  for (const float stretch : kStretches) {
    std::memcpy(tried, found, bytes);
    if (stretch != 1) room->grid->stretch(stretch, tried);
    if (stretch != 1 && std::memcmp(tried, found, bytes) == 0) continue;
    room->grid->open(tried);
    std::copy_n(carried, block, terms);
    const double loss =
        feed_block(*factor_, first, weights, tools_.kernels, room->grid.get(), terms, errors);
    if (stretch != 1 && !(loss < least)) continue;
    least = loss;
    std::copy_n(errors + first, block, best);
    room->grid->close(tried);
    std::memcpy(out, tried, bytes);
  }
  std::copy_n(best, block, errors + first);
}

// Codes once more, each with all others as they are, as long as that gains something (coordinate
// descent, as in QuantEase: Behdin et al., 2023, arXiv 2309.01885).
void Feedback::descend(const Matrix<const float>& weights) {
  const int64_t n = n_, rows = weights.rows;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t i = 0; i < n; ++i)
      by_column_[static_cast<size_t>(r * n + factor_->order[static_cast<size_t>(i)])] =
          errors_[static_cast<size_t>(r * n + i)];
  }
  const kernels::Gemm slopes = {
      .a = kernels::operand(Matrix<const float>{by_column_.data(), rows, n}),
      .b = kernels::operand(Matrix<const float>{hessian_.sums.data(), n, n}),
      .out = {products_.data(), rows, n}};
  kernels::gemm(tools_.kernels, tools_.workers, tools_.gemm, {&slopes, 1});
  tools_.workers.for_each(rows, 4, [&](int64_t begin, int64_t end, int worker) {
    for (int64_t r = begin; r < end; ++r) {
      for (int pass = 0; pass < kDescents; ++pass) {
        if (!descend_row(weights.row(r), r, &rooms_[static_cast<size_t>(worker)])) break;
      }
    }
  });
}

// True where a code has changed.
bool Feedback::descend_row(const float* weights, int64_t r, Room* room) {
  const int64_t n = n_;
  const int unit = factor_->unit, block = factor_->block;
  float* errors = by_column_.data() + r * n;
  float* slopes = products_.data() + r * n;
  bool any = false;
  for (int64_t begin = 0; begin < n; begin += block) {
    std::byte* out = block_at(r, begin);
    room->grid->open(out);
    bool changed = false;
    for (int64_t i = begin; i < begin + block; i += unit) {
      float x[kMostUnit], now[kMostUnit], values[kMostUnit], own[kMostUnit];
      for (int u = 0; u < unit; ++u) {
        own[u] = hessian_.sums[static_cast<size_t>((i + u) * n + i + u)];
        now[u] = weights[i + u] - errors[i + u];
        x[u] = now[u] + slopes[i + u] / own[u];
      }
      const int at = static_cast<int>(i - begin);
      room->grid->choose(at, x, own, values);
      double gain = 0;
      bool same = true;
      for (int u = 0; u < unit; ++u) {
        const double step = static_cast<double>(values[u]) - static_cast<double>(now[u]);
        same = same && std::fabs(step) <= 1e-5 * std::fabs(static_cast<double>(now[u]));
        gain += 2 * step * static_cast<double>(slopes[i + u]);
        for (int k = 0; k < unit; ++k)
          gain -= step * (static_cast<double>(values[k]) - static_cast<double>(now[k])) *
                  static_cast<double>(hessian_.sums[static_cast<size_t>((i + u) * n + i + k)]);
      }
      if (same || !(gain > 0)) {
        room->grid->choose(at, now, own, values);
        continue;
      }
      changed = true;
      for (int u = 0; u < unit; ++u) {
        const float step = values[u] - now[u];
        errors[i + u] -= step;
        tools_.kernels.add_scaled(hessian_.sums.data() + (i + u) * n, -step, n, slopes);
      }
    }
    if (changed) room->grid->close(out);
    any = any || changed;
  }
  return any;
}

// e H e^T of each row.
void Feedback::errors_of(const Matrix<const float>& errors, std::span<double> out) {
  const int64_t n = n_;
  const kernels::Gemm product = {
      .a = kernels::operand(errors),
      .b = kernels::operand(Matrix<const float>{hessian_.sums.data(), n, n}),
      .out = {products_.data(), errors.rows, n}};
  kernels::gemm(tools_.kernels, tools_.workers, tools_.gemm, {&product, 1});
  for (int64_t r = 0; r < errors.rows; ++r) {
    double sum = 0;
    for (int64_t i = 0; i < n; ++i)
      sum += static_cast<double>(errors.row(r)[i]) *
             static_cast<double>(products_[static_cast<size_t>(r * n + i)]);
    out[static_cast<size_t>(r)] = sum;
  }
}

}  // namespace issun::quantize
