#include "train/optimiser.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

namespace issun::train {

namespace {

constexpr int64_t kPiece = 16 << 10;  // floats that a worker takes at a time

}  // namespace

// body(first, count, piece) for pieces of the arena, each of the same floats for any number of
// workers.
template <class Body>
void Optimiser::each_piece(Body&& body) const {
  const int64_t floats = static_cast<int64_t>(parameters_.values().size());
  workers_.for_each((floats + kPiece - 1) / kPiece, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t piece = begin; piece < end; ++piece) {
      body(piece * kPiece, std::min(kPiece, floats - piece * kPiece), piece);
    }
  });
}

double Optimiser::gradient_norm() const {
  const std::span<const float> gradients = parameters_.gradients();
  std::vector<double> sums((gradients.size() + kPiece - 1) / kPiece);
  each_piece([&](int64_t first, int64_t count, int64_t piece) {
    sums[static_cast<size_t>(piece)] = kernels_.sum_squares(gradients.data() + first, count);
  });
  double sum = 0;
  for (const double part : sums) sum += part;
  return std::sqrt(sum);
}

StepReport Optimiser::step(double learning_rate) {
  StepReport report;
  report.gradient_norm = gradient_norm();
  report.taken = std::isfinite(report.gradient_norm);
  if (!report.taken) report.unsound = first_unsound_gradient(parameters_, kernels_);
  report.clipped = options_.clip != 0 && report.gradient_norm > options_.clip;
  if (report.taken) {
    ++taken;
    const auto number = static_cast<double>(taken);
    kernels::AdamwStep step{};
    step.learning_rate = static_cast<float>(learning_rate);
    step.beta1 = static_cast<float>(options_.beta1);
    step.beta2 = static_cast<float>(options_.beta2);
    step.epsilon = static_cast<float>(options_.epsilon);
    step.correction1 = static_cast<float>(1 - std::pow(options_.beta1, number));
    step.correction2 = static_cast<float>(1 - std::pow(options_.beta2, number));
    step.grad_scale = report.clipped ? static_cast<float>(options_.clip / report.gradient_norm) : 1;
    const std::span<const Parameter> list = parameters_.list();
    each_piece([&](int64_t first, int64_t count, int64_t) {
      // A piece may hold the end of one tensor and the beginning of others.
      auto p = std::upper_bound(list.begin(), list.end(), first,
                                [](int64_t at, const Parameter& q) { return at < q.first; });
      for (p = std::prev(p); p != list.end() && p->first < first + count; ++p) {
        const int64_t begin = std::max(first, p->first);
        const int64_t end = std::min(first + count, p->first + p->count());
        if (begin >= end) continue;
        kernels::AdamwStep own = step;
        own.weight_decay = p->decays ? static_cast<float>(options_.weight_decay) : 0;
        kernels_.adamw(parameters_.learnt().data() + begin, parameters_.gradients().data() + begin,
                       parameters_.first_moments().data() + begin,
                       parameters_.second_moments().data() + begin, end - begin, &own);
      }
    });
    parameters_.round(workers_);
  }
  each_piece([&](int64_t first, int64_t count, int64_t) {
    std::memset(parameters_.gradients().data() + first, 0,
                static_cast<size_t>(count) * sizeof(float));
  });
  return report;
}

std::string_view first_unsound_gradient(const Parameters& parameters,
                                        const kernels::KernelTable& kernels) {
  for (const Parameter& p : parameters.list()) {
    const double sum = kernels.sum_squares(parameters.gradients_of(p).data(), p.count());
    if (!std::isfinite(sum)) return p.name;
  }
  return {};
}

}  // namespace issun::train
