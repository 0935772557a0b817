#include <doctest/doctest.h>

#include <functional>

#include "kernels/testing.h"

using namespace issun;
using namespace issun::kernels;
using namespace issun::kernels::testing;

namespace {

constexpr int kBackwardLengths[] = {1, 5, 16, 17, 64, 172, 1000};

using Doubles = std::vector<double>;
Doubles widen(const std::vector<float>& x) { return {x.begin(), x.end()}; }

// The slope of f along x[i], by differences in double precision.
double slope_along(Doubles x, size_t i, const std::function<double(const Doubles&)>& f) {
  constexpr double kStep = 1e-5;
  const double at = x[i];
  x[i] = at + kStep;
  const double above = f(x);
  x[i] = at - kStep;
  return (above - f(x)) / (2 * kStep);
}

// The places that are looked at: the first ones, the last ones, and some between.
std::vector<size_t> places(size_t n) {
  std::vector<size_t> some;
  for (size_t i = 0; i < n; ++i)
    if (i < 3 || i + 3 > n || i % 97 == 0) some.push_back(i);
  return some;
}

void check_near(float value, double expected, double size) {
  if (!(std::fabs(double{value} - expected) <= 2e-5 * (size + std::fabs(expected))))
    FAIL(value << ", expected " << expected);
}

double norm_loss(const Doubles& x, const Doubles& weight, const Doubles& bias, const Doubles& dout,
                 bool centred, double epsilon) {
  const double n = static_cast<double>(x.size());
  double mean = 0, squares = 0, loss = 0;
  for (double v : x) mean += centred ? v / n : 0;
  for (double v : x) squares += (v - mean) * (v - mean) / n;
  for (size_t i = 0; i < x.size(); ++i)
    loss += dout[i] * ((x[i] - mean) / std::sqrt(squares + epsilon) * weight[i] + bias[i]);
  return loss;
}

}  // namespace

TEST_CASE("Gradients of norms are the slopes of the norms, added to what was there") {
  std::mt19937 random(61);
  constexpr float kEpsilon = 0.01f, kBefore = 0.5f;
  for (const KernelTable* table : available_kernels())
    for (int n : kBackwardLengths)
      for (bool centred : {false, true})
        for (bool has_weight : {false, true}) {
          CAPTURE(table->name);
          CAPTURE(n);
          const auto x = random_floats(n, random), dout = random_floats(n, random);
          auto w = has_weight ? random_floats(n, random) : std::vector<float>(x.size(), 1.0f);
          std::vector<float> dx(x.size(), kBefore), dw = dx, db = dx;
          const float* weight = has_weight ? w.data() : nullptr;
          float* dweight = has_weight ? dw.data() : nullptr;
          if (centred)
            table->layer_norm_backward(x.data(), weight, dout.data(), n, kEpsilon, dx.data(),
                                       dweight, has_weight ? db.data() : nullptr);
          else
            table->rms_norm_backward(x.data(), weight, dout.data(), n, kEpsilon, dx.data(),
                                     dweight);
          const Doubles xs = widen(x), ws = widen(w), bs(x.size()), ds = widen(dout);
          const double epsilon = double{kEpsilon};
          for (size_t i : places(x.size())) {
            check_near(dx[i] - kBefore,
                       slope_along(xs, i,
                                   [&](const Doubles& v) {
                                     return norm_loss(v, ws, bs, ds, centred, epsilon);
                                   }),
                       1);
            const double by_weight = slope_along(ws, i, [&](const Doubles& v) {
              return norm_loss(xs, v, bs, ds, centred, epsilon);
            });
            check_near(dw[i] - kBefore, has_weight ? by_weight : 0, 1);
            check_near(db[i] - kBefore, has_weight && centred ? ds[i] : 0, 1);
          }
        }
}

TEST_CASE("Gradients of gates are the slopes of the gates, in place too, and finite at extremes") {
  std::mt19937 random(62);
  const auto silu = [](double x) { return x / (1 + std::exp(-x)); };
  const auto gelu = [](double x) {
    return 0.5 * x * (1 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
  };
  for (const KernelTable* table : available_kernels())
    for (int n : kBackwardLengths)
      for (bool is_silu : {true, false})
        for (bool has_up : {true, false}) {
          CAPTURE(table->name);
          auto gate = random_floats(n, random, 3), up = random_floats(n, random);
          const auto dout = random_floats(n, random);
          if (n > 4) gate[0] = 100, gate[1] = -100, gate[2] = 0, gate[n - 1] = -20;
          const auto f = [&](double x) { return is_silu ? silu(x) : gelu(x); };
          const auto backward = is_silu ? table->silu_mul_backward : table->gelu_mul_backward;
          std::vector<float> dgate(gate.size()), dup(gate.size());
          backward(gate.data(), has_up ? up.data() : nullptr, dout.data(), n, dgate.data(),
                   has_up ? dup.data() : nullptr);
          for (size_t i = 0; i < gate.size(); ++i) {
            const double x = double{gate[i]}, d = double{dout[i]};
            const double slope = (f(x + 1e-5) - f(x - 1e-5)) / 2e-5;
            check_near(dgate[i], slope * d * (has_up ? double{up[i]} : 1), std::fabs(d));
            if (has_up) check_near(dup[i], f(x) * d, std::fabs(d));
          }
          if (!has_up) continue;
          backward(gate.data(), up.data(), dout.data(), n, gate.data(), up.data());
          CHECK(gate == dgate);
          CHECK(up == dup);
        }
}

TEST_CASE("The logarithm of a sum of exponentials, and probabilities from it") {
  std::mt19937 random(63);
  for (const KernelTable* table : available_kernels()) {
    for (int n : kBackwardLengths)
      for (float middle : {0.0f, 1000.0f, -1000.0f}) {
        auto x = random_floats(n, random, 5);
        for (float& v : x) v += middle;
        double total = 0;
        for (float v : x) total += std::exp(double{v} - double{middle});
        const float log_sum = table->log_sum_exp(x.data(), n);
        CHECK(std::fabs(double{log_sum} - std::log(total) - double{middle}) <=
              2e-6 * (1 + std::fabs(double{log_sum})));
        std::vector<float> out(x.size());
        table->exp_shifted(x.data(), n, 0.5f, 0.5f * log_sum, out.data());
        for (size_t i = 0; i < x.size(); ++i) {
          const double expected = std::exp(0.5 * double{x[i]} - double{0.5f * log_sum});
          CHECK(std::fabs(double{out[i]} - expected) <= 1e-5 * expected + 1e-37);
        }
        table->exp_shifted(x.data(), n, 0.5f, 0.5f * log_sum, x.data());
        CHECK(x == out);
      }
    const std::vector<float> nothing(20, -INFINITY);
    CHECK(table->log_sum_exp(nothing.data(), 20) == -INFINITY);
    CHECK(table->log_sum_exp(nothing.data(), 0) == -INFINITY);
  }
}

TEST_CASE("AdamW takes the steps of its paper") {
  std::mt19937 random(64);
  for (const KernelTable* table : available_kernels())
    for (int n : kBackwardLengths) {
      auto params = random_floats(n, random);
      std::vector<float> first(params.size()), second(params.size());
      Doubles p = widen(params), m(p.size()), v(p.size());
      for (int t = 1; t <= 3; ++t) {
        const auto grads = random_floats(n, random);
        const AdamwStep step{.learning_rate = 0.01f,
                             .beta1 = 0.9f,
                             .beta2 = 0.95f,
                             .epsilon = 1e-8f,
                             .weight_decay = 0.1f,
                             .correction1 = 1 - std::pow(0.9f, static_cast<float>(t)),
                             .correction2 = 1 - std::pow(0.95f, static_cast<float>(t)),
                             .grad_scale = 0.5f};
        table->adamw(params.data(), grads.data(), first.data(), second.data(), n, &step);
        for (size_t i = 0; i < p.size(); ++i) {
          const double g = 0.5 * double{grads[i]};
          m[i] = 0.9 * m[i] + 0.1 * g;
          v[i] = 0.95 * v[i] + 0.05 * g * g;
          p[i] -= 0.01 * 0.1 * p[i];
          p[i] -= 0.01 * m[i] / (1 - std::pow(0.9, t)) /
                  (std::sqrt(v[i] / (1 - std::pow(0.95, t))) + 1e-8);
          check_near(params[i], p[i], 0.1);
          check_near(first[i], m[i], 0.1);
          check_near(second[i], v[i], 0.1);
        }
      }
    }
}

TEST_CASE("Sums of squares are right over long rows, and show what is not finite") {
  std::mt19937 random(65);
  for (const KernelTable* table : available_kernels())
    for (int n : {0, 1, 17, 5000, 100003}) {
      auto x = random_floats(n, random);
      const double exact = dot_exactly(x.data(), x.data(), n).value;
      CHECK(std::fabs(table->sum_squares(x.data(), n) - exact) <= 1e-5 * exact);
      if (n == 0) continue;
      for (float bad : {INFINITY, NAN}) {
        x.back() = bad;
        CHECK_FALSE(std::isfinite(table->sum_squares(x.data(), n)));
      }
    }
}

TEST_CASE("The way back through a softmax agrees with double precision, in place too") {
  std::mt19937 random(11);
  for (const KernelTable* table : available_kernels())
    for (const int n : {1, 5, 16, 17, 172}) {
      const auto p = random_floats(n, random), slope = random_floats(n, random);
      std::vector<float> out = slope;
      table->softmax_backward(p.data(), out.data(), 0.25f, n, out.data());
      for (size_t i = 0; i < out.size(); ++i) {
        const double expected = double{p[i]} * (double{slope[i]} - 0.25);
        CHECK(std::fabs(double{out[i]} - expected) <= 1e-6 * std::fabs(double{p[i]}));
      }
    }
}
