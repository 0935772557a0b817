#include "measure/machine.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <tuple>

#include "base/available_memory.h"
#include "base/clock.h"
#include "base/memory.h"
#include "measure/peak_loops.h"

namespace issun::measure {

namespace {

constexpr int64_t kTaskBytes = 1 << 20;
// Two milliseconds or so: short enough to fall between the disturbances of a machine that does
// other work, and all parts together too long for a cache.
constexpr int64_t kTimedBytes = 32 << 20;
constexpr int64_t kLeastReadBytes = 4 * kTimedBytes;  // less may come from a cache

// One worker's result, on a cache line of its own: the sums must go somewhere, or nothing would be
// read.
struct alignas(64) Sink {
  uint64_t sum = 0;
};

// bytes: a multiple of 64.
uint64_t sum_of(const std::byte* data, int64_t bytes) {
  const auto* words = reinterpret_cast<const uint64_t*>(data);
  std::array<uint64_t, 8> sums{};
  for (int64_t i = 0; i < bytes / 8; i += 8) {
    for (size_t j = 0; j < 8; ++j) sums[j] += words[i + static_cast<int64_t>(j)];
  }
  uint64_t sum = 0;
  for (const uint64_t part : sums) sum += part;
  return sum;
}

Result<double> read_bandwidth(Workers& workers, Effort effort) {
  int64_t bytes = effort == Effort::Quick ? int64_t{256} << 20 : int64_t{1} << 30;
  // Where memory is limited the system ends a process that takes more. What is left may be near the
  // caches' size, and then says nothing.
  const int64_t available = available_memory_bytes();
  if (available >= 0) bytes = std::min(bytes, available / 4 / kTimedBytes * kTimedBytes);
  if (bytes < kLeastReadBytes) return 0;
  const int passes = effort == Effort::Quick ? 3 : 10;
  const AlignedBuffer buffer = TRY(AlignedBuffer::create(bytes));
  std::vector<Sink> sinks(static_cast<size_t>(workers.count()));
  // Written first: pages that were never written are all the same page of zeros.
  workers.for_each(bytes, kTaskBytes, [&](int64_t begin, int64_t end, int) {
    std::memset(buffer.data() + begin, static_cast<int>(1 + begin / kTaskBytes % 255),
                static_cast<size_t>(end - begin));
  });
  double best = 0;
  for (int pass = 0; pass < passes; ++pass) {
    for (int64_t part = 0; part < bytes; part += kTimedBytes) {
      const double start = seconds_now();
      workers.for_each(kTimedBytes, kTaskBytes, [&](int64_t begin, int64_t end, int worker) {
        sinks[static_cast<size_t>(worker)].sum += sum_of(buffer.data() + part + begin, end - begin);
      });
      best = std::max(best, static_cast<double>(kTimedBytes) / (seconds_now() - start));
    }
  }
  return best;
}

// Pieces of a few microseconds, so that a worker that is late or slow takes fewer.
double arithmetic_rate(Workers& workers, const PeakLoop& loop, Effort effort) {
  if (loop.run == nullptr) return 0;
  constexpr int64_t kIterations = 4000;
  const int64_t pieces = int64_t{200} * workers.count();
  const int repetitions = effort == Effort::Quick ? 4 : 40;
  double best = 0;
  for (int repetition = 0; repetition < repetitions; ++repetition) {
    const double start = seconds_now();
    workers.for_each(pieces, 1, [&](int64_t, int64_t, int) { loop.run(kIterations); });
    best = std::max(best, static_cast<double>(pieces * kIterations) * loop.operations /
                              (seconds_now() - start));
  }
  return best;
}

std::string text_or_unavailable(const char* text) { return text != nullptr ? text : "unavailable"; }

Result<MachinePeaks> measure_now(Workers& workers, const kernels::KernelTable& kernels,
                                 Effort effort) {
  MachinePeaks peaks;
  peaks.threads = workers.count();
  peaks.read_bytes_per_second = TRY(read_bandwidth(workers, effort));
  const PeakLoop f32 = f32_peak_loop(kernels.vectors), int8 = int8_peak_loop(kernels.vectors);
  const PeakLoop bf16 = bf16_peak_loop(kernels.name);  // no loop for tiles, which do more
  peaks.f32_operations_per_second = arithmetic_rate(workers, f32, effort);
  peaks.int8_operations_per_second = arithmetic_rate(workers, int8, effort);
  peaks.bf16_operations_per_second = arithmetic_rate(workers, bf16, effort);
  peaks.f32_instruction = text_or_unavailable(f32.instruction);
  peaks.int8_instruction = text_or_unavailable(int8.instruction);
  peaks.bf16_instruction = text_or_unavailable(bf16.instruction);
  return peaks;
}

}  // namespace

Result<MachinePeaks> machine_peaks(Workers& workers, const kernels::KernelTable& kernels,
                                   Effort effort) {
  static std::mutex mutex;  // guards `known`
  static std::map<std::tuple<int, std::string, Effort>, MachinePeaks> known;
  const std::lock_guard lock(mutex);
  const std::tuple key(workers.count(), std::string(kernels.name), effort);
  if (const auto found = known.find(key); found != known.end()) return found->second;
  return known[key] = TRY(measure_now(workers, kernels, effort));
}

nlohmann::ordered_json to_json(const MachinePeaks& peaks) {
  const auto rate = [](double value) -> nlohmann::ordered_json {
    if (value == 0) return "unavailable";
    return value;
  };
  return {{"threads", peaks.threads},
          {"read_gb_per_second", rate(peaks.read_bytes_per_second * 1e-9)},
          {"f32_gflops", rate(peaks.f32_operations_per_second * 1e-9)},
          {"f32_instruction", peaks.f32_instruction},
          {"int8_gops", rate(peaks.int8_operations_per_second * 1e-9)},
          {"int8_instruction", peaks.int8_instruction},
          {"bf16_gflops", rate(peaks.bf16_operations_per_second * 1e-9)},
          {"bf16_instruction", peaks.bf16_instruction}};
}

}  // namespace issun::measure
