#include "measure/bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/clock.h"
#include "base/memory.h"
#include "measure/random_rows.h"

namespace issun::measure {

namespace {

constexpr uint64_t kTokenSeed = 1;

// Texts of random tokens, computed as far as asked.
class Texts {
 public:
  Texts(model::Decoder& decoder, cache::PagedKv& cache, int count, int64_t tokens)
      : decoder_(decoder), cache_(cache), batch_(static_cast<size_t>(count)) {
    Random random(kTokenSeed);
    for (int i = 0; i < count; ++i) {
      tables_.push_back(cache.new_table());
      outputs_.push_back(i);
      for (int64_t t = 0; t < tokens; ++t) tokens_.push_back(random_token(random));
    }
  }
  ~Texts() { truncate(0); }
  Texts(const Texts&) = delete;
  Texts& operator=(const Texts&) = delete;

  void truncate(int length) {
    for (cache::PageTable& table : tables_) cache_.truncate(table, length);
  }
  void keep() {
    for (cache::PageTable& table : tables_) CHECK_THAT(cache_.keep_state(table));
  }

  // One after another, until `length` tokens of each are computed, as many at a time as the decoder
  // takes; logits for the last, or for none.
  void read(int length, bool wants_logits) {
    for (size_t i = 0; i < tables_.size(); ++i) {
      cache::PageTable& table = tables_[i];
      while (table.length < length) {
        const int count = std::min(decoder_.max_rows(), length - table.length);
        const int32_t* tokens = text(i) + table.length;
        CHECK_THAT(cache_.extend(table, count));  // run_bench has asked for room
        const model::SequenceRows rows{&table, count};
        const int32_t last = count - 1;
        const bool wanted = wants_logits && table.length == length;
        run({{tokens, static_cast<size_t>(count)}, {&rows, 1}, {&last, wanted ? size_t{1} : 0}});
      }
    }
  }

  // A token of each, in one batch, logits for all.
  void write() {
    sequences_.clear();
    for (size_t i = 0; i < tables_.size(); ++i) {
      batch_[i] = text(i)[tables_[i].length];
      CHECK_THAT(cache_.extend(tables_[i], 1));
      sequences_.push_back({&tables_[i], 1});
    }
    run({batch_, sequences_, outputs_});
  }

 private:
  int32_t random_token(Random& random) const {
    return static_cast<int32_t>(random.next() % static_cast<uint64_t>(decoder_.vocabulary_size()));
  }
  const int32_t* text(size_t i) const {
    return tokens_.data() + i * tokens_.size() / tables_.size();
  }
  void run(const model::Batch& batch) { CHECK_THAT(decoder_.run(batch, cache_).has_value()); }

  model::Decoder& decoder_;
  cache::PagedKv& cache_;
  std::vector<cache::PageTable> tables_;
  std::vector<int32_t> tokens_, batch_, outputs_;
  std::vector<model::SequenceRows> sequences_;
};

}  // namespace

std::string name(const BenchCase& bench_case) {
  const char* phase = bench_case.phase == Phase::Prompt ? "pp" : "tg";
  std::string text = fmt::format("{}{}", phase, bench_case.tokens);
  if (bench_case.sequences != 1) text += fmt::format(" x {}", bench_case.sequences);
  if (bench_case.depth != 0) text += fmt::format(" @ d{}", bench_case.depth);
  return text;
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
  const double tokens = static_cast<double>(bench_case.tokens) * bench_case.sequences;
  const auto rate = [&](double share) { return tokens / quantile(seconds, share); };
  return {rate(1), rate(0.5), rate(0)};
}

Result<BenchTimes> run_bench(model::Decoder& decoder, cache::PagedKv& cache,
                             const BenchCase& bench_case, int repetitions,
                             model::Profile* profile) {
  const int64_t end = int64_t{bench_case.depth} + bench_case.tokens;
  const int64_t room = int64_t{cache.free_pages()} * cache::kPageTokens;
  const int texts = bench_case.sequences;
  if (bench_case.tokens < 1 || bench_case.depth < 0 || repetitions < 1) {
    return fail("{}: expected at least one token and one repetition", name(bench_case));
  }
  const int most =
      bench_case.phase == Phase::Prompt
          ? 1
          : std::min({decoder.max_sequences(), decoder.max_rows(), decoder.max_outputs()});
  if (texts < 1 || texts > most)
    return fail("{}: expected 1 to {} texts at once, found {}", name(bench_case), most, texts);
  // Each text has pages of its own.
  const int64_t wanted = texts == 1 ? end : round_up(end, cache::kPageTokens) * texts;
  if (wanted > room)
    return fail("{}: expected a context of at least {} tokens, found {}", name(bench_case), wanted,
                room);

  Texts text(decoder, cache, texts, end);
  const int length = static_cast<int>(end), depth = bench_case.depth;
  BenchTimes times;
  times.bench_case = bench_case;
  text.read(depth, false);
  text.keep();
  const auto prompt = [&] { text.read(length, true); };
  const auto generation = [&] {
    for (int t = depth; t < length; ++t) {
      const double start = seconds_now();
      text.write();
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
