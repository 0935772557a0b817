// One sequence that grows by batches, for those who need logits and no engine: comparisons,
// perplexity, benchmarks.
#pragma once

#include <span>
#include <vector>

#include "base/check.h"
#include "model/decoder.h"

namespace issun::model {

// Whose logits append() returns.
enum class Wanted { None, Last, All };

class Sequence {
 public:
  // The decoder and the cache must outlive the sequence, which gives its pages back when it goes.
  Sequence(Decoder& decoder, cache::PagedKv& cache);
  ~Sequence() { cache_.truncate(table_, 0); }
  Sequence(const Sequence&) = delete;
  Sequence& operator=(const Sequence&) = delete;

  int length() const { return table_.length; }
  // To nothing, to where keep() was called last, or, where no layer is recurrent, to any length.
  void truncate(int length) { cache_.truncate(table_, length); }
  // Makes the length now one that truncate() may come back to.
  void keep() { CHECK_THAT(cache_.keep_state(table_)); }
  // Computes these tokens after what is there: at most decoder.max_rows(), and
  // decoder.max_outputs() if all their logits are wanted. (wanted rows, vocabulary), valid until
  // the next run. company: as Batch::company. Error: the cache is full.
  Result<Matrix<const float>> append(std::span<const int32_t> tokens, Wanted wanted,
                                     int company = 0);

 private:
  Decoder& decoder_;
  cache::PagedKv& cache_;
  cache::PageTable table_;
  std::vector<int32_t> rows_;  // 0, 1, 2, ...
};

}  // namespace issun::model
