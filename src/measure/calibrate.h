// Has a model read a text in windows, for those who watch what its matrices multiply.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "base/result.h"
#include "cache/paged_kv.h"
#include "model/decoder.h"

namespace issun::measure {

struct CalibrationOptions {
  int context = 512;          // tokens of a window; what does not fill one is left out
  int64_t first_window = 0;   // to begin with
  int64_t most_windows = -1;  // -1: all there are
  int32_t bos = -1;           // takes the place of the first token of each window; -1: nothing
  bool with_output = false;   // also multiplies by the output matrix
  // Called after each window with those read and those there are to read. Error: ends the reading.
  std::function<Result<void>(int64_t done, int64_t all)> after_window;
};

// How many windows there are to read. Error: none.
Result<int64_t> count_windows(int64_t tokens, const CalibrationOptions& options);

// Windows read: fewer than there are only when Ctrl-C interrupts (base/terminal.h). The cache must
// hold a window, and is empty again at the end. Error: as count_windows, a token outside the
// vocabulary, no room in the cache, or from after_window.
Result<int64_t> read_windows(model::Decoder& decoder, cache::PagedKv& cache,
                             std::span<const int32_t> tokens, const CalibrationOptions& options);

}  // namespace issun::measure
