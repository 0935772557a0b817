// How fast streamed weights are going to be.
#include <algorithm>

#include "base/clock.h"
#include "engine/runtime.h"

namespace issun::engine {

namespace {

constexpr int64_t kProbeBytes = int64_t{256} << 20;

// Some units of the first layer that streams, as many as may be on their way at once.
std::vector<experts::Use> probed_units(const model::Residency& residency) {
  const model::ResidencyPlan& plan = residency.plan();
  const int units = static_cast<int>(residency.store().group(0).units.size());
  const int64_t most = std::min(kProbeBytes, plan.budget_bytes) / plan.unit_bytes;
  std::vector<experts::Use> uses;
  for (int u = 0; u < std::clamp<int64_t>(most, 1, units); ++u) uses.push_back({u, 1});
  return uses;
}

// Seconds that the products of a unit's matrices with one token take.
double multiply_all(Runtime& runtime, int layer, std::span<const int> units, int64_t* bytes) {
  const model::LayerWeights& weights = runtime.model().weights.layers[static_cast<size_t>(layer)];
  std::vector<Tensor> matrices;
  if (runtime.residency()->whole_layers()) {
    weights.each_matrix([&](const Tensor& matrix, double) { matrices.push_back(matrix); });
  } else {
    for (const int u : units) {
      weights.mixture.experts[static_cast<size_t>(u)].each_matrix(
          [&](const Tensor& matrix, double) {
            if (matrix) matrices.push_back(matrix);
          });
    }
  }
  int64_t rows = 0, columns = 0;
  for (const Tensor& matrix : matrices) {
    rows = std::max(rows, matrix.rows());
    columns = std::max(columns, matrix.columns());
  }
  std::vector<float> in(static_cast<size_t>(columns)), out(static_cast<size_t>(rows));
  for (size_t i = 0; i < in.size(); ++i) in[i] = static_cast<float>(i % 7) - 3;
  auto prepared = AlignedBuffer::create(kernels::prepared_bytes(runtime.kernels(), columns));
  auto scratch = kernels::LinearScratch::create(runtime.workers().count());
  if (!prepared || !scratch) return 0;
  const double began = seconds_now();
  for (const Tensor& matrix : matrices) {
    kernels::Activations activations;
    activations.rows = {in.data(), 1, matrix.columns(), matrix.columns()};
    activations.prepared = prepared->data();
    const kernels::ActivationForm form =
        kernels::form_for(runtime.kernels(), matrix.type, runtime.options().exact, 1);
    kernels::prepare(runtime.kernels(), runtime.workers(), form, activations);
    const kernels::Product product{matrix, {out.data(), 1, matrix.rows()}};
    kernels::linear(runtime.kernels(), runtime.workers(), *scratch, activations, {&product, 1},
                    runtime.options().exact);
    *bytes += matrix.bytes();
  }
  return seconds_now() - began;
}

}  // namespace

Result<SpeedForecast> forecast_speed(Runtime& runtime, double found) {
  SpeedForecast forecast;
  model::Residency* const residency = runtime.residency();
  if (residency == nullptr) return fail("forecast: expected weights that come and go");
  const model::ResidencyPlan& plan = residency->plan();
  if (residency->options().missing == model::Missing::Twin)
    return fail("forecast: what a twin stands in for is not waited for");
  const int layer = residency->next_streaming(-1);
  int64_t computed = 0;
  double computing = 0;
  // Twice: the first time for memory that was never touched, which is slower than the disk; and
  // what is in memory already is given at once, so that no reads run beside the products.
  for (const bool again : {false, true}) {
    residency->need(layer, probed_units(*residency));
    for (auto some = residency->next(); !some.empty(); some = residency->next()) {
      if (again) computing += multiply_all(runtime, layer, some, &computed);
    }
    TRY(residency->failure());
  }
  forecast.disk_bytes_per_second = TRY(residency->store().measure_rate(0));
  residency->store().reset_statistics();
  if (forecast.disk_bytes_per_second <= 0 || computing <= 0)
    return fail("forecast: nothing could be measured");
  forecast.compute_bytes_per_second = static_cast<double>(computed) / computing;
  const double held = static_cast<double>(plan.budget_bytes - plan.passing_bytes) /
                      static_cast<double>(plan.streamed_bytes);
  forecast.found = found >= 0 ? found : std::min(1.0, held);
  const double token = static_cast<double>(runtime.model().weights.bytes_per_token());
  const double compute = token / forecast.compute_bytes_per_second;
  const double disk =
      static_cast<double>(plan.token_bytes) * (1 - forecast.found) / forecast.disk_bytes_per_second;
  // Reading ahead hides the shorter behind the longer, but for what each layer waits for its own.
  // Measured: 0.9 and more with 75 MB an expert, 0.8 with 3 MB.
  constexpr double kHidden = 0.9;
  const bool ahead = residency->options().guesses != 0 || residency->whole_layers();
  const double both =
      ahead ? std::max(compute, disk) + (1 - kHidden) * std::min(compute, disk) : compute + disk;
  forecast.tokens_per_second = 1 / both;
  return forecast;
}

}  // namespace issun::engine
