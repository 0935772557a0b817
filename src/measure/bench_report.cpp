#include "measure/bench_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "kernels/linear.h"
#include "measure/json_text.h"

namespace issun::measure {

namespace {

template <class T>
nlohmann::ordered_json or_unavailable(const std::optional<T>& value) {
  if (!value) return kUnavailable;
  return *value;
}

nlohmann::ordered_json share(double rate, double peak) {
  if (peak == 0) return kUnavailable;
  return rate / peak;
}

double arithmetic_peak(const BenchFigures& figures) {
  switch (figures.cost.arithmetic) {
    case kernels::ActivationForm::Q8:
      return figures.peaks.int8_operations_per_second;
    case kernels::ActivationForm::Brains:
      return figures.peaks.bf16_operations_per_second;  // 0: not measured
    default:
      return figures.peaks.f32_operations_per_second;
  }
}

const char* name_of(kernels::ActivationForm arithmetic) {
  switch (arithmetic) {
    case kernels::ActivationForm::Q8:
      return "int8";
    case kernels::ActivationForm::Brains:
      return "bf16";
    default:
      return "f32";
  }
}

nlohmann::ordered_json latencies(const BenchTimes& times) {
  if (times.token_seconds.empty()) return kUnavailable;
  const auto milliseconds = [&](double share) {
    return 1e3 * quantile(times.token_seconds, share);
  };
  return {{"p50", milliseconds(0.5)}, {"p95", milliseconds(0.95)}, {"p99", milliseconds(0.99)}};
}

int64_t cache_bytes_per_position(const cache::KvShape& shape) {
  int64_t bytes = 0;
  for (const cache::KvLayerShape& layer : shape.layers) {
    bytes += layer.kv_heads * (cache::cache_row_bytes(shape.key_type, layer.key_width) +
                               cache::cache_row_bytes(shape.value_type, layer.value_width));
  }
  return bytes;
}

std::string percent(double rate, double peak) {
  return peak == 0 ? std::string(kUnavailable) : fmt::format("{:.0f} %", 100 * rate / peak);
}

}  // namespace

TokenCost token_cost(const BenchCase& bench_case, engine::Runtime& runtime) {
  const model::Model& model = runtime.model();
  const engine::RuntimeOptions& options = runtime.options();
  const bool generates = bench_case.phase == Phase::Generation;
  // A batch reads the weights once (of experts each text may visit others: then more is read than
  // is counted here); each token sees those of its text before it and itself.
  const int tokens_a_pass =
      generates ? bench_case.sequences : std::min(bench_case.tokens, options.max_rows);
  const double positions = bench_case.depth + (bench_case.tokens + 1) / 2.0;
  TokenCost cost;
  cost.bytes = static_cast<double>(model.weights.bytes_per_token()) / tokens_a_pass;
  if (generates)
    cost.bytes += positions * static_cast<double>(cache_bytes_per_position(
                                  model.config.kv_shape(options.key_type, options.value_type)));
  cost.operations = 2.0 * static_cast<double>(model.weights.products_per_token(generates));
  cost.arithmetic =
      kernels::form_for(runtime.kernels(), model.weights.main_type(), options.exact, tokens_a_pass);
  return cost;
}

nlohmann::ordered_json to_json(const BenchFigures& figures, const std::string& version) {
  const BenchTimes& times = figures.times;
  const BenchTimes::Rate rate = times.tokens_per_second();
  const double bytes = rate.median * figures.cost.bytes,
               operations = rate.median * figures.cost.operations;
  nlohmann::ordered_json json = {
      {"test", name(times.bench_case)},
      {"phase", times.bench_case.phase == Phase::Prompt ? "prompt" : "generation"},
      {"tokens", times.bench_case.tokens},
      {"depth", times.bench_case.depth},
      {"sequences", times.bench_case.sequences},
      {"model", figures.model_path},
      {"model_name", figures.model_name},
      {"model_bytes", figures.model_bytes},
      {"isa", figures.isa},
      {"threads", figures.options.threads},
      {"spin_microseconds", figures.options.spin_microseconds},
      {"batch", figures.options.max_rows},
      {"cache", engine::describe_cache(figures.options)},
      {"cache_type_k", name(figures.options.key_type)},
      {"cache_type_v", name(figures.options.value_type)},
      {"exact", figures.options.exact},
      {"repetitions", times.seconds.size()},
      {"tokens_per_second", {{"min", rate.least}, {"median", rate.median}, {"max", rate.most}}},
      {"seconds", times.seconds},
      {"token_milliseconds", latencies(times)},
      {"gb_per_second", bytes * 1e-9},
      {"share_of_read_bandwidth", share(bytes, figures.peaks.read_bytes_per_second)},
      {"gops", operations * 1e-9},
      {"arithmetic", name_of(figures.cost.arithmetic)},
      {"share_of_arithmetic", share(operations, arithmetic_peak(figures))},
      {"cpu_seconds", times.usage.cpu_seconds},
      {"cores_busy", times.usage.cpu_seconds / times.usage.wall_seconds},
      {"voluntary_switches", or_unavailable(times.usage.voluntary_switches)},
      {"involuntary_switches", or_unavailable(times.usage.involuntary_switches)},
      {"major_faults", or_unavailable(times.usage.major_faults)},
      {"peak_memory_bytes", figures.peak_memory},
      {"ipc", kUnavailable},
      {"energy_joules", kUnavailable},
      {"sampling", "not included"},
      {"peaks", to_json(figures.peaks)},
      {"machine", machine_facts()},
      {"version", version}};
  if (figures.profile) json["profile"] = to_json(*figures.profile);
  return json;
}

std::string table_head() {
  return fmt::format("{:<20} {:>7} {:>9} {:>9} {:>9} {:>8} {:>8} {:>9} {:>8} {:>6}\n", "test",
                     "threads", "t/s median", "min", "max", "GB/s", "of peak", "GOP/s", "of peak",
                     "cores");
}

std::string table_row(const BenchFigures& figures) {
  const BenchTimes::Rate rate = figures.times.tokens_per_second();
  const double bytes = rate.median * figures.cost.bytes,
               operations = rate.median * figures.cost.operations;
  return fmt::format(
             "{:<20} {:>7} {:>10.2f} {:>9.2f} {:>9.2f} {:>8.2f} {:>8} {:>9.1f} {:>8} {:>6.2f}\n",
             name(figures.times.bench_case), figures.options.threads, rate.median, rate.least,
             rate.most, bytes * 1e-9, percent(bytes, figures.peaks.read_bytes_per_second),
             operations * 1e-9, percent(operations, arithmetic_peak(figures)),
             figures.times.usage.cpu_seconds / figures.times.usage.wall_seconds) +
         (figures.profile ? profile_table(*figures.profile, figures.times) : "");
}

}  // namespace issun::measure
