// Truth: optimal brain quantisation as its paper has it, and plain sums.
#include "quantize/feedback.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "kernels/dispatch.h"
#include "kernels/search.h"
#include "quantize/obq.h"
#include "tensor/codec.h"

using namespace issun;
using namespace issun::quantize;

namespace {

constexpr DType kFeedbackFormats[] = {
    DType::Q8_0,  DType::Q4_0,    DType::Q4_1,   DType::Q5_0,   DType::Q5_1,   DType::Q2_0,
    DType::TQ1_0, DType::TQ2_0,   DType::MXFP4,  DType::NVFP4,  DType::Q2_K,   DType::Q3_K,
    DType::Q4_K,  DType::Q5_K,    DType::Q6_K,   DType::IQ4_NL, DType::IQ4_XS, DType::IQ3_XXS,
    DType::IQ3_S, DType::IQ2_XXS, DType::IQ2_XS, DType::IQ2_S,  DType::IQ1_S,  DType::IQ1_M};

// Inputs that go together, as those of a network do: few causes, and noise.
Hessian made_up_hessian(int64_t n, uint32_t seed, float noise = 0.5f) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  const int64_t causes = n / 4 + 1, inputs = 2 * n;
  std::vector<float> mixed(static_cast<size_t>(causes * n));
  for (float& x : mixed) x = normal(random);
  Hessian hessian;
  hessian.n = n;
  hessian.inputs = inputs;
  hessian.sums.assign(static_cast<size_t>(n * n), 0);
  std::vector<float> x(static_cast<size_t>(n)), cause(static_cast<size_t>(causes));
  for (int64_t t = 0; t < inputs; ++t) {
    for (float& c : cause) c = normal(random);
    for (int64_t i = 0; i < n; ++i) {
      float sum = noise * normal(random);
      for (int64_t k = 0; k < causes; ++k)
        sum += cause[static_cast<size_t>(k)] * mixed[static_cast<size_t>(k * n + i)];
      x[static_cast<size_t>(i)] = sum * (i % 7 == 0 ? 3.0f : 1.0f);
    }
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < n; ++j)
        hessian.sums[static_cast<size_t>(i * n + j)] +=
            x[static_cast<size_t>(i)] * x[static_cast<size_t>(j)];
    }
  }
  hessian.finish();
  return hessian;
}

std::vector<float> made_up_rows(int64_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> rows(static_cast<size_t>(count));
  for (float& x : rows) x = normal(random);
  return rows;
}

double error_of(const Hessian& hessian, const float* weights, const float* values) {
  double sum = 0;
  const int64_t n = hessian.n;
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      sum += (static_cast<double>(weights[i]) - static_cast<double>(values[i])) *
             static_cast<double>(hessian.sums[static_cast<size_t>(i * n + j)]) *
             (static_cast<double>(weights[j]) - static_cast<double>(values[j]));
    }
  }
  return sum;
}

struct House {
  explicit House(int threads)
      : workers(*Workers::create(threads)), gemm(*kernels::GemmScratch::create(threads)) {}
  std::unique_ptr<Workers> workers;
  kernels::GemmScratch gemm;
  const kernels::KernelTable& kernels = **kernels::choose_kernels();
  const Encoder encoder{**kernels::choose_searches()};
  Feedback::Tools tools() const { return {kernels, encoder, gemm, *workers}; }
};

struct Rounded {
  std::vector<std::byte> bytes;
  std::vector<double> all, search, written;
};

Rounded round(DType type, const Hessian& hessian, const std::vector<float>& weights, int threads) {
  const House house(threads);
  const int64_t n = hessian.n, rows = static_cast<int64_t>(weights.size()) / n;
  EncodeScratch scratch;
  const int unit = make_grid(type, house.encoder, &scratch)->unit();
  const Factor made =
      *factor(hessian, static_cast<int>(facts(type).block), unit, true, *house.workers);
  Rounded out;
  out.bytes.resize(static_cast<size_t>(rows * row_bytes(type, n)));
  for (auto* errors : {&out.all, &out.search, &out.written})
    errors->resize(static_cast<size_t>(rows));
  Feedback(house.tools(), type, hessian, &made)
      .round({weights.data(), rows, n}, out.bytes.data(), {out.all, out.search, out.written});
  return out;
}

}  // namespace

TEST_CASE("feedback is OBQ in the same order") {
  constexpr int n = 96, kBlocks = n / 32, kRows = 12;
  const House house(1);
  EncodeScratch scratch;
  // Inputs that go together closely, and hardly.
  for (const float noise : {0.5f, 15.0f}) {
    const Hessian hessian = made_up_hessian(n, 5, noise);
    double fed_back = 0, greedy = 0, plain = 0;
    const bool by_weight = noise < 1;
    const Factor made = *factor(hessian, 32, 1, by_weight, *house.workers);
    for (uint32_t r = 0; r < kRows; ++r) {
      CAPTURE(r);
      const std::vector<float> weights = made_up_rows(n, 100 + r);
      std::vector<std::byte> row(static_cast<size_t>(row_bytes(DType::Q4_0, n)));
      house.encoder.encode_row(DType::Q4_0, weights.data(), n, nullptr, &scratch, row.data());
      std::vector<float> searched(n);
      decode_row(DType::Q4_0, row.data(), n, searched.data());
      // The scales stay those of the search.
      std::unique_ptr<Grid> grids[kBlocks];
      for (int b = 0; b < kBlocks; ++b) {
        grids[b] = make_grid(DType::Q4_0, house.encoder, &scratch);
        grids[b]->open(row.data() + b * row_bytes(DType::Q4_0, 32));
      }
      const auto nearest = [&](int i, float x) {
        float value = 0;
        grids[i / 32]->choose(i % 32, &x, nullptr, &value);
        return value;
      };
      const Obq truth = quantise_by_obq(weights, hessian.sums, {.order = made.order}, nearest);
      CHECK(truth.error == doctest::Approx(error_of(hessian, weights.data(), truth.values.data())));
      std::vector<float> errors(n), values(n);
      double loss = 0;
      for (int first = 0; first < n; first += 32) {
        float carried[32] = {};
        for (int i = 0; i < first; ++i) {
          for (int j = 0; j < 32; ++j)
            carried[j] += errors[static_cast<size_t>(i)] * made.row(i)[first + j];
        }
        loss += feed_block(made, first, weights.data(), house.kernels,
                           grids[made.order[static_cast<size_t>(first)] / 32].get(), carried,
                           errors.data());
      }
      for (int i = 0; i < n; ++i) {
        const auto column = static_cast<size_t>(made.order[static_cast<size_t>(i)]);
        values[column] = weights[column] - errors[static_cast<size_t>(i)];
      }
      int differ = 0;
      for (size_t i = 0; i < n; ++i)
        differ += std::fabs(values[i] - truth.values[i]) > 1e-5f ? 1 : 0;
      CHECK(differ <= 1);  // a value that lies between two codes as far as floats can tell
      CHECK(loss == doctest::Approx(truth.error).epsilon(differ == 0 ? 1e-3 : 0.1));
      fed_back += loss;
      std::vector<float> half_steps;
      for (int i = 0; i < n; ++i)
        half_steps.push_back(std::fabs(nearest(i, 1e9f) - nearest(i, -1e9f)) / 30);
      greedy += quantise_by_obq(weights, hessian.sums, {.half_steps = half_steps}, nearest).error;
      plain += error_of(hessian, weights.data(), searched.data());
    }
    // OBQ's own order, the cheapest column next, is the worse one where inputs go together.
    MESSAGE("noise " << noise << ": errors of rounding, feedback and greedy OBQ: " << plain << " "
                     << fed_back << " " << greedy);
    CHECK(fed_back < 0.9 * plain);
    CHECK(greedy < 0.9 * plain);
  }
}

TEST_CASE("every format loses less with feedback, and the errors told are those of the bytes") {
  constexpr int64_t n = 512, kRows = 6;
  const Hessian hessian = made_up_hessian(n, 11);
  const std::vector<float> weights = made_up_rows(kRows * n, 12);
  for (const DType type : kFeedbackFormats) {
    CAPTURE(std::string(name(type)));
    const Rounded done = round(type, hessian, weights, 2);
    double search = 0, written = 0;
    for (int64_t r = 0; r < kRows; ++r) {
      const auto at = static_cast<size_t>(r);
      std::vector<float> values(n), zeros(n);
      decode_row(type, done.bytes.data() + r * row_bytes(type, n), n, values.data());
      const float* row = weights.data() + r * n;
      CHECK(done.written[at] ==
            doctest::Approx(error_of(hessian, row, values.data())).epsilon(1e-3));
      CHECK(done.all[at] == doctest::Approx(error_of(hessian, row, zeros.data())).epsilon(1e-3));
      CHECK(done.written[at] <= done.search[at]);
      search += done.search[at];
      written += done.written[at];
    }
    MESSAGE(std::string(name(type)) << ": " << written / search << " of the search's error");
    CHECK(written < 0.8 * search);
  }
}

TEST_CASE("any number of workers rounds to the same bytes") {
  constexpr int64_t n = 256;
  const Hessian hessian = made_up_hessian(n, 21);
  const std::vector<float> weights = made_up_rows(9 * n, 22);
  for (const DType type : {DType::Q4_0, DType::Q3_K, DType::IQ2_XS})
    CHECK(round(type, hessian, weights, 1).bytes == round(type, hessian, weights, 4).bytes);
}

TEST_CASE("a block keeps its scales when its codes are chosen anew") {
  const House house(1);
  EncodeScratch scratch;
  for (const DType type : kFeedbackFormats) {
    CAPTURE(std::string(name(type)));
    const auto block = static_cast<int>(facts(type).block);
    const std::vector<float> weights = made_up_rows(block, 31);
    const std::vector<float> ones(static_cast<size_t>(block), 1.0f);
    std::vector<std::byte> bytes(static_cast<size_t>(row_bytes(type, block)));
    house.encoder.encode_row(type, weights.data(), block, nullptr, &scratch, bytes.data());
    std::vector<float> before(static_cast<size_t>(block)), after(before), told(before);
    decode_row(type, bytes.data(), block, before.data());
    const std::unique_ptr<Grid> grid = make_grid(type, house.encoder, &scratch);
    grid->open(bytes.data());
    for (int i = 0; i < block; i += grid->unit())
      grid->choose(i, before.data() + i, ones.data(), told.data() + i);
    grid->close(bytes.data());
    decode_row(type, bytes.data(), block, after.data());
    for (size_t i = 0; i < before.size(); ++i) {
      CHECK(after[i] == before[i]);
      CHECK(told[i] == doctest::Approx(before[i]).epsilon(1e-5));
    }
  }
}
