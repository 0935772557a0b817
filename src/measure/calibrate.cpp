#include "measure/calibrate.h"

#include <algorithm>
#include <vector>

#include "base/terminal.h"
#include "model/sequence.h"

namespace issun::measure {

Result<int64_t> count_windows(int64_t tokens, const CalibrationOptions& options) {
  if (options.context < 1)
    return fail("context: expected at least 1 token, found {}", options.context);
  const int64_t all = tokens / options.context;
  if (all <= options.first_window) {
    return fail("text: expected at least {} tokens ({} windows of {}), found {}",
                (options.first_window + 1) * options.context, options.first_window + 1,
                options.context, tokens);
  }
  const int64_t left = all - options.first_window;
  return options.most_windows < 0 ? left : std::min(left, options.most_windows);
}

Result<int64_t> read_windows(model::Decoder& decoder, cache::PagedKv& cache,
                             std::span<const int32_t> tokens, const CalibrationOptions& options) {
  const int64_t all = TRY(count_windows(static_cast<int64_t>(tokens.size()), options));
  for (const int32_t token : tokens) {
    if (token >= 0 && token < decoder.vocabulary_size()) continue;
    return fail("text: expected tokens below {}, found {}", decoder.vocabulary_size(), token);
  }
  const auto wanted = options.with_output ? model::Wanted::All : model::Wanted::None;
  const int rows = options.with_output ? std::min(decoder.max_rows(), decoder.max_outputs())
                                       : decoder.max_rows();
  model::Sequence sequence(decoder, cache);
  std::vector<int32_t> window(static_cast<size_t>(options.context));
  for (int64_t w = 0; w < all; ++w) {
    if (Interrupts::pending()) return w;
    sequence.truncate(0);
    std::copy_n(tokens.begin() + (options.first_window + w) * options.context, options.context,
                window.begin());
    if (options.bos >= 0) window[0] = options.bos;
    for (int t = 0; t < options.context; t += rows) {
      const auto count = static_cast<size_t>(std::min(rows, options.context - t));
      TRY(sequence.append(std::span<const int32_t>(window).subspan(static_cast<size_t>(t), count),
                          wanted));
    }
    if (options.after_window) TRY(options.after_window(w + 1, all));
  }
  return all;
}

}  // namespace issun::measure
