#include <doctest/doctest.h>

#include "kernels/testing.h"

using namespace issun;
using namespace issun::kernels;
using namespace issun::kernels::testing;

namespace {

// The largest difference, as a share of the largest value.
double difference(const std::vector<float>& found, const std::vector<double>& expected) {
  double most = 0, largest = 1e-30;
  for (size_t i = 0; i < expected.size(); ++i) {
    most = std::max(most, std::fabs(double{found[i]} - expected[i]));
    largest = std::max(largest, std::fabs(expected[i]));
  }
  return most / largest;
}

struct Shape {
  int key_width, value_width;
};
constexpr Shape kShapes[] = {{32, 32}, {128, 64}, {5, 3}, {24, 40}, {16, 129}};

// A head with random inputs, its queries and keys side by side in one row as models have them.
struct Head {
  Head(Shape s, int token_count, bool with_correction, std::mt19937& random)
      : shape(s), tokens(token_count), corrects(with_correction) {
    keys = random_floats(int64_t{tokens} * 2 * shape.key_width, random, 0.3f);
    values = random_floats(int64_t{tokens} * shape.value_width, random);
    state = random_floats(int64_t{shape.key_width} * shape.value_width, random);
    for (int t = 0; t < tokens; ++t) {
      decay.push_back(std::exp(-std::fabs(random_floats(1, random)[0])));
      rate.push_back(std::fabs(random_floats(1, random)[0]));
    }
  }

  RecurrenceTask task(int first, int count, float* to_state, float* out) const {
    RecurrenceTask task{};
    task.key_stride = 2 * shape.key_width;
    task.keys = keys.data() + first * task.key_stride;
    task.queries = task.keys + shape.key_width;
    task.value_stride = task.out_stride = shape.value_width;
    task.values = values.data() + first * task.value_stride;
    task.decay = decay.data() + first;
    task.rate = rate.data() + first;
    task.rate_stride = 1;
    task.tokens = count;
    task.key_width = shape.key_width;
    task.value_width = shape.value_width;
    task.skip = 0.7f;
    task.corrects = corrects;
    task.state = to_state;
    task.out = out + first * task.out_stride;
    return task;
  }

  // (out, state) in double precision, as the definition reads.
  std::pair<std::vector<double>, std::vector<double>> exactly() const {
    const size_t n = static_cast<size_t>(shape.key_width),
                 m = static_cast<size_t>(shape.value_width);
    std::vector<double> s(state.begin(), state.end()), out;
    for (size_t t = 0; t < static_cast<size_t>(tokens); ++t) {
      for (double& x : s) x *= double{decay[t]};
      for (size_t v = 0; v < m; ++v) {
        const double value = double{values[t * m + v]};
        double held = 0, read = 0.7f * value;
        for (size_t k = 0; k < n; ++k) held += double{keys[t * 2 * n + k]} * s[k * m + v];
        const double taken = double{rate[t]} * (corrects ? value - held : value);
        for (size_t k = 0; k < n; ++k) {
          s[k * m + v] += double{keys[t * 2 * n + k]} * taken;
          read += double{keys[t * 2 * n + n + k]} * s[k * m + v];
        }
        out.push_back(read);
      }
    }
    return {out, s};
  }

  Shape shape;
  int tokens;
  bool corrects;
  std::vector<float> keys, values, decay, rate, state;
};

}  // namespace

TEST_CASE("A head's state decays, takes in and is read as its definition says") {
  std::mt19937 random(1);
  for (const bool corrects : {false, true})
    for (const Shape shape : kShapes) {
      const Head head(shape, 6, corrects, random);
      const auto expected = head.exactly();
      for (const KernelTable* table : available_kernels()) {
        CAPTURE(table->name);
        CAPTURE(shape.value_width);
        std::vector<float> state = head.state, out(head.values.size());
        const RecurrenceTask task = head.task(0, 6, state.data(), out.data());
        table->recurrence(&task);
        CHECK(difference(out, expected.first) < 1e-5);
        CHECK(difference(state, expected.second) < 1e-5);
      }
    }
}

TEST_CASE("How a text is cut changes no bit of a head's output nor of its state") {
  std::mt19937 random(2);
  for (const bool corrects : {false, true}) {
    const Head head({24, 40}, 9, corrects, random);
    for (const KernelTable* table : available_kernels()) {
      std::vector<float> whole_state = head.state, state = head.state;
      std::vector<float> whole(head.values.size()), out(head.values.size());
      const RecurrenceTask all = head.task(0, 9, whole_state.data(), whole.data());
      table->recurrence(&all);
      for (const auto& [first, count] : {std::pair{0, 1}, {1, 5}, {6, 3}}) {
        const RecurrenceTask piece = head.task(first, count, state.data(), out.data());
        table->recurrence(&piece);
      }
      CHECK(out == whole);
      CHECK(state == whole_state);
    }
  }
}

TEST_CASE("A convolution sees the tokens before it, those of an earlier call too") {
  std::mt19937 random(3);
  constexpr int kTokens = 7;
  for (const KernelTable* table : available_kernels())
    for (const int channels : {1, 16, 37, 96})
      for (int taps = kLeastTaps; taps <= kMostTaps; ++taps)
        for (const bool silu : {false, true}) {
          CAPTURE(table->name);
          CAPTURE(taps);
          const auto in = random_floats(int64_t{channels} * kTokens, random);
          const auto weights = random_floats(int64_t{channels} * taps, random);
          const auto bias = random_floats(channels, random);
          const auto past = random_floats(int64_t{channels} * (taps - 1), random);
          std::vector<float> line = past;  // what stands before the tokens, and they
          line.insert(line.end(), in.begin(), in.end());
          std::vector<double> expected;
          for (size_t t = 0; t < kTokens; ++t)
            for (size_t c = 0; c < static_cast<size_t>(channels); ++c) {
              const size_t n = static_cast<size_t>(channels);
              double sum = silu ? double{bias[c]} : 0;
              for (size_t j = 0; j < static_cast<size_t>(taps); ++j)
                sum += double{weights[c * static_cast<size_t>(taps) + j]} *
                       double{line[(t + j) * n + c]};
              expected.push_back(silu ? sum / (1 + std::exp(-sum)) : sum);
            }
          auto rest = past, out = in;
          ConvolutionTask task{};
          task.channels = channels;
          task.tap_count = taps;
          task.taps = weights.data();
          task.bias = silu ? bias.data() : nullptr;
          task.past = rest.data();
          task.past_stride = task.in_stride = task.out_stride = channels;
          task.silu = silu;
          for (const auto& [first, count] : {std::pair{0, 3}, {3, 1}, {4, 3}}) {
            task.in = task.out = out.data() + int64_t{first} * channels;  // in place
            task.tokens = count;
            table->convolution(&task);
          }
          CHECK(difference(out, expected) < 1e-5);
          CHECK(rest == std::vector<float>(line.end() - channels * (taps - 1), line.end()));
        }
}

TEST_CASE("Steps, decays, gates and unit vectors agree with double precision, at extremes too") {
  std::mt19937 random(4);
  const auto near = [](double a, double b) {
    return std::fabs(a - b) <= 2e-6 * std::fabs(b) + 1e-35;
  };
  for (const KernelTable* table : available_kernels())
    for (const int n : {1, 5, 16, 129}) {
      auto x = random_floats(n, random, 4);
      const auto bias = random_floats(n, random), rate = random_floats(n, random);
      if (n > 4) x[0] = -80, x[1] = 90, x[2] = -15, x[3] = 300;
      std::vector<float> step(x.size()), decay(x.size()), gated(x.size()), unit(x.size());
      table->step_and_decay(x.data(), bias.data(), rate.data(), n, step.data(), decay.data());
      table->sigmoid_mul(x.data(), bias.data(), n, gated.data());
      table->l2_norm(x.data(), n, 1e-6f, 0.5f, unit.data());
      double length = 0;
      for (const float v : x) length += double{v} * double{v};
      for (size_t i = 0; i < x.size(); ++i) {
        CAPTURE(x[i]);
        const double sum = double{x[i] + bias[i]};
        CHECK(near(double{step[i]}, sum > 40 ? sum : std::log1p(std::exp(sum))));
        const double exponent = double{step[i] * rate[i]};
        if (std::fabs(exponent) < 80) CHECK(near(double{decay[i]}, std::exp(exponent)));
        CHECK(near(double{gated[i]}, double{bias[i]} / (1 + std::exp(-double{x[i]}))));
        CHECK(near(double{unit[i]}, 0.5 * double{x[i]} / std::sqrt(length)));
      }
    }
  const std::vector<float> zeros(7);
  std::vector<float> out(7, 1.0f);
  available_kernels().back()->l2_norm(zeros.data(), 7, 1e-6f, 1, out.data());
  CHECK(out == zeros);
}
