#include "measure/windows.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace issun::measure {

const char* name(Protocol protocol) { return protocol == Protocol::Strided ? "strided" : "halves"; }

nlohmann::ordered_json to_json(const WindowOptions& options) {
  return {{"protocol", name(options.protocol)},
          {"context", options.context},
          {"stride", options.protocol == Protocol::Strided ? options.stride : options.context},
          {"bos_in_front", options.bos >= 0}};
}

Result<std::vector<Window>> plan_windows(int64_t tokens, const WindowOptions& options) {
  const int64_t context = options.context;
  if (context < 2) return fail("context: expected at least 2 tokens, found {}", context);
  std::vector<Window> windows;
  if (options.protocol == Protocol::Halves) {
    for (int64_t begin = 0; begin + context <= tokens; begin += context) {
      // A window of two has no second half but its last token.
      const int64_t first = std::min(begin + context / 2 + 1, begin + context - 1);
      windows.push_back({begin, begin + context, first});
    }
    if (windows.empty())
      return fail("text: expected at least {} tokens, found {}", context, tokens);
    return windows;
  }
  if (options.stride < 1 || options.stride > context) {
    return fail("stride: expected 1 to {} tokens, found {}", context, options.stride);
  }
  if (tokens < 2) return fail("text: expected at least 2 tokens, found {}", tokens);
  for (int64_t begin = 0, scored = 1; scored < tokens; begin += options.stride) {
    const Window window{begin, std::min(begin + context, tokens), std::max(scored, begin + 1)};
    if (window.first_scored < window.end) windows.push_back(window);
    scored = window.end;
  }
  return windows;
}

int64_t scored_tokens(std::span<const Window> windows) {
  int64_t total = 0;
  for (const Window& window : windows) total += window.scored();
  return total;
}

Result<void> expect_tokens_below(int vocabulary, std::span<const int32_t> tokens) {
  for (const int32_t token : tokens) {
    if (token < 0 || token >= vocabulary)
      return fail("text: expected tokens below {}, found {}", vocabulary, token);
  }
  return {};
}

int rows_at_a_time(const model::Decoder& decoder) {
  return std::min(decoder.max_rows(), decoder.max_outputs());
}

WindowReader::WindowReader(model::Decoder& decoder, cache::PagedKv& cache,
                           std::span<const int32_t> tokens, int32_t bos, int rows)
    : decoder_(decoder), tokens_(tokens), bos_(bos), rows_(rows), sequence_(decoder, cache) {
  CHECK_THAT(rows >= 1 && rows <= rows_at_a_time(decoder));
}

std::span<const int32_t> WindowReader::piece(int count) const {
  return std::span(window_).subspan(static_cast<size_t>(position_), static_cast<size_t>(count));
}

Result<void> WindowReader::start(const Window& window) {
  CHECK_THAT(window.end - window.begin <= decoder_.context());
  sequence_.truncate(0);
  window_.assign(tokens_.begin() + window.begin, tokens_.begin() + window.end);
  if (bos_ >= 0) window_[0] = bos_;
  targets_ = {};
  begin_ = window.begin;
  // The row at t gives the distribution of token t + 1.
  const int first = static_cast<int>(window.first_scored - window.begin) - 1;
  for (position_ = 0; position_ < first;) {
    const int count = std::min(decoder_.max_rows(), first - position_);
    TRY(sequence_.append(piece(count), model::Wanted::None));
    position_ += count;
  }
  return {};
}

Result<Matrix<const float>> WindowReader::next() {
  // The last token is read by nobody.
  const int count = std::min(rows_, static_cast<int>(window_.size()) - 1 - position_);
  if (count <= 0) {
    targets_ = {};
    return Matrix<const float>{};
  }
  const Matrix<const float> logits = TRY(sequence_.append(piece(count), model::Wanted::All));
  ++position_;
  targets_ = piece(count);
  position_ += count - 1;
  return logits;
}

}  // namespace issun::measure
