#include <doctest/doctest.h>

#include <algorithm>

#include "kernels/testing.h"
#include "tensor/half.h"

using namespace issun;
using namespace issun::kernels;
using namespace issun::kernels::testing;

namespace {
constexpr int kRowLengths[] = {1, 5, 16, 17, 64, 172, 2048};

bool near(double a, double b, double relative, double absolute = 0) {
  return std::fabs(a - b) <= relative * std::fabs(b) + absolute;
}
}  // namespace

TEST_CASE("Norms agree with double precision") {
  std::mt19937 random(1);
  for (const KernelTable* table : available_kernels())
    for (int n : kRowLengths) {
      const auto x = random_floats(n, random), w = random_floats(n, random),
                 b = random_floats(n, random);
      std::vector<float> out(x.size());
      double squares = 0, mean = 0, variance = 0;
      for (float v : x) squares += double{v} * double{v}, mean += double{v} / n;
      for (float v : x) variance += (double{v} - mean) * (double{v} - mean) / n;
      table->rms_norm(x.data(), w.data(), n, 1e-5f, out.data());
      for (size_t i = 0; i < x.size(); ++i)
        CHECK(near(double{out[i]}, double{x[i]} / std::sqrt(squares / n + 1e-5) * double{w[i]},
                   1e-5));
      table->rms_norm(x.data(), nullptr, n, 1e-5f, out.data());
      CHECK(near(double{out[0]}, double{x[0]} / std::sqrt(squares / n + 1e-5), 1e-5));
      table->layer_norm(x.data(), w.data(), b.data(), n, 1e-5f, out.data());
      for (size_t i = 0; i < x.size(); ++i)
        CHECK(near(double{out[i]},
                   (double{x[i]} - mean) / std::sqrt(variance + 1e-5) * double{w[i]} + double{b[i]},
                   1e-5, 1e-5));
    }
}

TEST_CASE("Gates, softmax and soft caps agree with double precision, at extremes too") {
  std::mt19937 random(2);
  for (const KernelTable* table : available_kernels())
    for (int n : kRowLengths) {
      auto x = random_floats(n, random, 4), up = random_floats(n, random);
      x[0] = -200;
      if (n > 4) x[1] = 200, x[2] = 0, x[3] = -88;
      std::vector<float> out(x.size());
      table->silu_mul(x.data(), up.data(), n, out.data());
      for (size_t i = 0; i < x.size(); ++i)
        CHECK(near(double{out[i]}, double{x[i]} / (1 + std::exp(-double{x[i]})) * double{up[i]},
                   1e-6, 1e-35));
      table->gelu_mul(x.data(), nullptr, n, out.data());
      for (size_t i = 0; i < x.size(); ++i) {
        const double v = double{x[i]}, y = 0.7978845608028654 * (v + 0.044715 * v * v * v);
        CHECK(near(double{out[i]}, 0.5 * v * (1 + std::tanh(y)), 2e-5, 1e-6));
      }
      out = x;
      table->soft_cap(out.data(), n, 30);
      for (size_t i = 0; i < x.size(); ++i)
        CHECK(near(double{out[i]}, 30 * std::tanh(double{x[i]} / 30), 1e-6, 1e-5));
      out = x;
      table->softmax(out.data(), n);
      const double top = double{*std::max_element(x.begin(), x.end())};
      double total = 0;
      for (float v : x) total += std::exp(double{v} - top);
      for (size_t i = 0; i < x.size(); ++i)
        CHECK(near(double{out[i]}, std::exp(double{x[i]} - top) / total, 1e-5, 1e-36));
    }
}

TEST_CASE("Sums, products, dots and the largest value") {
  std::mt19937 random(3);
  for (const KernelTable* table : available_kernels())
    for (int n : kRowLengths) {
      const auto a = random_floats(n, random), b = random_floats(n, random);
      std::vector<float> out(a.size());
      table->add(a.data(), b.data(), n, out.data());
      for (size_t i = 0; i < a.size(); ++i) CHECK(out[i] == a[i] + b[i]);
      table->mul(a.data(), b.data(), n, out.data());
      for (size_t i = 0; i < a.size(); ++i) CHECK(out[i] == a[i] * b[i]);
      table->scale(a.data(), 3, n, out.data());
      for (size_t i = 0; i < a.size(); ++i) CHECK(out[i] == a[i] * 3);
      out = b;
      table->add_scaled(a.data(), 0.5f, n, out.data());
      for (size_t i = 0; i < a.size(); ++i)
        CHECK(near(double{out[i]}, double{b[i]} + 0.5 * double{a[i]}, 1e-6, 1e-6));
      const Exact exact = dot_exactly(a.data(), b.data(), n);
      CHECK(std::fabs(double{table->dot(a.data(), b.data(), n)} - exact.value) <=
            exact.size * 1e-5);
      auto c = a;
      CHECK(table->argmax(c.data(), n) == std::max_element(c.begin(), c.end()) - c.begin());
      c[0] = NAN;
      if (n > 1)
        CHECK(table->argmax(c.data(), n) == std::max_element(c.begin() + 1, c.end()) - c.begin());
    }
}

TEST_CASE("Rotations turn pairs by their angles, neighbours or halves") {
  std::mt19937 random(4);
  for (const KernelTable* table : available_kernels())
    for (int pairs : {1, 8, 20, 32, 64}) {
      const auto x = random_floats(2 * pairs, random);
      std::vector<float> cosines, sines;
      for (int i = 0; i < pairs; ++i) {
        cosines.push_back(std::cos(0.3f * static_cast<float>(i)));
        sines.push_back(std::sin(0.3f * static_cast<float>(i)));
      }
      for (bool neighbours : {true, false}) {
        auto y = x;
        (neighbours ? table->rope_neighbours : table->rope_halves)(y.data(), cosines.data(),
                                                                   sines.data(), pairs);
        for (int i = 0; i < pairs; ++i) {
          const auto p = static_cast<size_t>(neighbours ? 2 * i : i);
          const auto q = static_cast<size_t>(neighbours ? 2 * i + 1 : i + pairs);
          const auto k = static_cast<size_t>(i);
          CHECK(near(double{y[p]},
                     double{x[p]} * double{cosines[k]} - double{x[q]} * double{sines[k]}, 1e-6,
                     1e-6));
          CHECK(near(double{y[q]},
                     double{x[p]} * double{sines[k]} + double{x[q]} * double{cosines[k]}, 1e-6,
                     1e-6));
        }
      }
    }
}

TEST_CASE("Sixteen-bit rows have the bits of the plain conversions") {
  std::mt19937 random(5);
  std::vector<float> x = random_floats(300, random);
  for (float& v : x) v *= std::exp2(static_cast<float>(static_cast<int>(random() % 60) - 35));
  x[0] = INFINITY, x[1] = -INFINITY, x[2] = 65504, x[3] = 65520, x[4] = -0.0f, x[5] = 1e-8f,
  x[6] = 1e-40f;
  for (const KernelTable* table : available_kernels()) {
    std::vector<uint16_t> half(x.size()), brain(x.size());
    table->encode_row[static_cast<size_t>(DType::F16)](x.data(), 300, half.data());
    table->encode_row[static_cast<size_t>(DType::BF16)](x.data(), 300, brain.data());
    for (size_t i = 0; i < x.size(); ++i) {
      CHECK(half[i] == f32_to_f16(x[i]));
      CHECK(brain[i] == f32_to_bf16(x[i]));
    }
    std::vector<float> back(x.size());
    table->decode_row[static_cast<size_t>(DType::F16)](half.data(), 299, back.data());
    for (size_t i = 0; i < 299; ++i) CHECK(back[i] == f16_to_f32(half[i]));
  }
}
