// Times a network: how fast it reads a prompt and how fast it writes, at a length, after a context
// of a depth. Tokenising and sampling are not in these times.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "cache/paged_kv.h"
#include "measure/usage.h"
#include "model/decoder.h"
#include "model/profile.h"

namespace issun::measure {

enum class Phase {
  Prompt,      // all tokens known: in batches as large as the decoder takes
  Generation,  // one token after another, logits for each
};

struct BenchCase {
  Phase phase = Phase::Prompt;
  int tokens = 512;
  int depth = 0;      // tokens in the cache before, of each text
  int sequences = 1;  // Generation: texts that are written at once, so many tokens each
};
// As people know it: "pp512", "tg128 @ d1024"; "tg128 x 8" of eight texts.
std::string name(const BenchCase& bench_case);

struct BenchTimes {
  BenchCase bench_case;
  std::vector<double> seconds;        // each repetition
  std::vector<double> token_seconds;  // Generation: each step, a token of every text
  Usage usage;                        // of all repetitions together

  // Over the repetitions, of all texts together.
  struct Rate {
    double least = 0, median = 0, most = 0;
  };
  Rate tokens_per_second() const;
};

// Runs a case `repetitions` times after a run that does not count. Tokens are random, the same each
// time. The cache must be empty and is so again at the end. `profile`: the decoder's, of the runs
// that count from then on; nullptr: none. Error: no room in the cache for depth and tokens; a
// decoder that takes fewer sequences, or more than one for a prompt.
Result<BenchTimes> run_bench(model::Decoder& decoder, cache::PagedKv& cache,
                             const BenchCase& bench_case, int repetitions,
                             model::Profile* profile = nullptr);

// The value below which a share of the values lies (0.5: the median), between neighbours by
// proportion. values: at least one.
double quantile(std::vector<double> values, double share);

}  // namespace issun::measure
