#include "measure/bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/clock.h"
#include "measure/random_rows.h"
#include "model/sequence.h"

namespace issun::measure {

namespace {

constexpr uint64_t kTokenSeed = 1;

// Random tokens, computed as far as asked.
class Text {
 public:
  Text(model::Decoder& decoder, cache::PagedKv& cache, int64_t tokens) : sequence_(decoder, cache) {
    Random random(kTokenSeed);
    for (int64_t t = 0; t < tokens; ++t) {
      tokens_.push_back(
          static_cast<int32_t>(random.next() % static_cast<uint64_t>(decoder.vocabulary_size())));
    }
  }

  void truncate(int length) { sequence_.truncate(length); }
  void keep() { sequence_.keep(); }

  // Until `length` tokens are computed, at most `rows` at a time; logits for the last, or for none.
  void grow(int length, int rows, bool wants_logits) {
    while (sequence_.length() < length) {
      const int begin = sequence_.length(), count = std::min(rows, length - begin);
      const bool last = wants_logits && begin + count == length;
      const auto computed = sequence_.append(
          std::span(tokens_).subspan(static_cast<size_t>(begin), static_cast<size_t>(count)),
          last ? model::Wanted::Last : model::Wanted::None);
      CHECK_THAT(computed.has_value());  // run_bench has asked for room
    }
  }

 private:
  model::Sequence sequence_;
  std::vector<int32_t> tokens_;
};

}  // namespace

std::string name(const BenchCase& bench_case) {
  const char* phase = bench_case.phase == Phase::Prompt ? "pp" : "tg";
  if (bench_case.depth == 0) return fmt::format("{}{}", phase, bench_case.tokens);
  return fmt::format("{}{} @ d{}", phase, bench_case.tokens, bench_case.depth);
}

double quantile(std::vector<double> values, double share) {
  CHECK_THAT(!values.empty());
  std::sort(values.begin(), values.end());
  const double place = share * static_cast<double>(values.size() - 1);
  const size_t below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (values[above] - values[below]) * (place - std::floor(place));
}

BenchTimes::Rate BenchTimes::tokens_per_second() const {
  const auto rate = [&](double share) { return bench_case.tokens / quantile(seconds, share); };
  return {rate(1), rate(0.5), rate(0)};
}

Result<BenchTimes> run_bench(model::Decoder& decoder, cache::PagedKv& cache,
                             const BenchCase& bench_case, int repetitions,
                             model::Profile* profile) {
  const int64_t end = int64_t{bench_case.depth} + bench_case.tokens;
  const int64_t room = int64_t{cache.free_pages()} * cache::kPageTokens;
  if (bench_case.tokens < 1 || bench_case.depth < 0 || repetitions < 1) {
    return fail("{}: expected at least one token and one repetition", name(bench_case));
  }
  if (end > room)
    return fail("{}: expected a context of at least {} tokens, found {}", name(bench_case), end,
                room);

  Text text(decoder, cache, end);
  const int length = static_cast<int>(end), depth = bench_case.depth;
  BenchTimes times;
  times.bench_case = bench_case;
  text.grow(depth, decoder.max_rows(), false);
  text.keep();
  const auto prompt = [&] { text.grow(length, decoder.max_rows(), true); };
  const auto generation = [&] {
    for (int t = depth; t < length; ++t) {
      const double start = seconds_now();
      text.grow(t + 1, 1, true);
      times.token_seconds.push_back(seconds_now() - start);
    }
  };
  const auto run = [&] { bench_case.phase == Phase::Prompt ? prompt() : generation(); };

  run();
  times.token_seconds.clear();
  if (profile != nullptr) profile->clear();
  const Usage before = usage_now();
  for (int repetition = 0; repetition < repetitions; ++repetition) {
    text.truncate(depth);
    const double start = seconds_now();
    run();
    times.seconds.push_back(seconds_now() - start);
  }
  times.usage = usage_now() - before;
  return times;
}

}  // namespace issun::measure
