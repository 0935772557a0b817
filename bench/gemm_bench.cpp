// Speed of the products of matrices that training takes, one line of JSON a case.
// Usage: bench_gemm [isa] [threads] [part of a case's name]
// By the clock on the wall, packing included, minimum and median; the peak is that of one core in
// registers, measured here, times the threads.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "base/clock.h"
#include "kernels/dispatch.h"
#include "kernels/gemm.h"
#include "measure/peak_loops.h"

using namespace issun;
using namespace issun::kernels;

namespace {

struct Times {
  double least, median;
};

template <class Body>
Times time(Body&& body, int least_runs = 5, double least_seconds = 0.5) {
  std::vector<double> times;
  body();
  for (double total = 0; static_cast<int>(times.size()) < least_runs || total < least_seconds;) {
    const double start = seconds_now();
    body();
    times.push_back(seconds_now() - start);
    total += times.back();
  }
  std::sort(times.begin(), times.end());
  return {times.front(), times[times.size() / 2]};
}

double peak_gflops(const KernelTable& table) {
  constexpr int64_t kRounds = 1000000;
  const auto loop = measure::f32_peak_loop(table.name);
  if (loop.run == nullptr) return 0;
  return 1e-9 * loop.operations * kRounds / time([&] { loop.run(kRounds); }).least;
}

// The three products of a linear layer of `outputs` rows with `tokens` rows of activations.
struct Layer {
  int64_t tokens, outputs, inputs;
};

class Bench {
 public:
  Bench(const KernelTable& table, int threads, std::string filter)
      : table_(table),
        workers_(*Workers::create(threads)),
        scratch_(std::move(*GemmScratch::create(threads))),
        filter_(std::move(filter)),
        peak_(peak_gflops(table) * threads) {}

  void layer(const Layer& l, GemmPrecision precision) {
    const auto x = fill(l.tokens, l.inputs), w = fill(l.outputs, l.inputs);
    const auto dy = fill(l.tokens, l.outputs), out = fill(l.tokens, l.inputs);
    const auto y = fill(l.tokens, l.outputs), dw = fill(l.outputs, l.inputs);
    product("forward", {operand(view(x)), operand(view(w), true), view(y), false, precision});
    product("backward_input", {operand(view(dy)), operand(view(w)), view(out), false, precision});
    product("backward_weight",
            {operand(view(dy), true), operand(view(x)), view(dw), true, precision});
  }

 private:
  struct Filled {
    AlignedBuffer buffer;
    int64_t rows, columns;
  };
  Filled fill(int64_t rows, int64_t columns) {
    Filled f{std::move(*AlignedBuffer::create(rows * columns * 4)), rows, columns};
    std::normal_distribution<float> normal;
    for (float& x : f.buffer.as<float>()) x = normal(random_);
    return f;
  }
  static Matrix<float> view(const Filled& f) {
    return {f.buffer.as<float>().data(), f.rows, f.columns};
  }

  void product(const std::string& part, const Gemm& gemm_case) {
    const bool brains = gemm_case.precision == GemmPrecision::BF16;
    const std::string name = fmt::format("gemm_{}_{}", part, brains ? "bf16" : "f32");
    if (name.find(filter_) == std::string::npos) return;
    const int64_t m = gemm_case.out.rows, n = gemm_case.out.columns, k = gemm_case.a.columns();
    const Times t = time([&] { gemm(table_, *workers_, scratch_, {&gemm_case, 1}); });
    const double work = 2e-9 * static_cast<double>(m * n * k);
    fmt::print(
        "{{\"case\": \"{}\", \"isa\": \"{}\", \"m\": {}, \"n\": {}, \"k\": {}, \"threads\": {}, "
        "\"us\": {:.1f}, \"us_median\": {:.1f}, \"gflops\": {:.1f}, \"share_of_peak\": {:.2f}}}\n",
        name, table_.name, m, n, k, workers_->count(), t.least * 1e6, t.median * 1e6,
        work / t.least, peak_ > 0 ? work / t.least / peak_ : 0);
  }

  const KernelTable& table_;
  std::unique_ptr<Workers> workers_;
  GemmScratch scratch_;
  std::string filter_;
  double peak_;
  std::mt19937 random_{1};
};

}  // namespace

int main(int argc, char** argv) {
  const std::string isa = argc > 1 ? argv[1] : "";
  const int threads = argc > 2 ? std::atoi(argv[2]) : 1;
  for (const KernelTable* table : available_kernels()) {
    if (isa.empty() ? table != available_kernels().back() : isa != table->name) continue;
    Bench bench(*table, threads, argc > 3 ? argv[3] : "");
    for (const auto precision : {GemmPrecision::F32, GemmPrecision::BF16})
      for (const Layer& l : {Layer{512, 512, 512}, Layer{1024, 1024, 1024}, Layer{2048, 2048, 2048},
                             Layer{4096, 288, 288}, Layer{4096, 768, 288}, Layer{4096, 1536, 576}})
        bench.layer(l, precision);
  }
}
