// A text read in windows of limited context, and the logits of the tokens that count: what
// perplexity and divergence have in common. docs/perplexity.md is the definition.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <vector>

#include "base/result.h"
#include "model/sequence.h"

namespace issun::measure {

enum class Protocol {
  Strided,  // windows overlap; every token but the first is scored once, with at least context -
            // stride before it
  Halves,   // windows do not overlap and only the second half of each is scored: the most used
            // engine's default
};
const char* name(Protocol protocol);

struct WindowOptions {
  Protocol protocol = Protocol::Strided;
  int context = 512;  // tokens of a window
  int stride = 256;   // Strided: from the begin of a window to that of the next
  int32_t bos = -1;   // takes the place of the first token of each window; -1: nothing does
};
nlohmann::ordered_json to_json(const WindowOptions& options);

// Tokens [begin, end) are read, of which [first_scored, end) are scored.
struct Window {
  int64_t begin, end, first_scored;
  int64_t scored() const { return end - first_scored; }
};
// Error: a context below two tokens, a stride outside 1..context, or a text too short for a window.
Result<std::vector<Window>> plan_windows(int64_t tokens, const WindowOptions& options);
int64_t scored_tokens(std::span<const Window> windows);

// Error: a token outside the vocabulary.
Result<void> expect_tokens_below(int vocabulary, std::span<const int32_t> tokens);

// How many scored tokens a decoder takes at a time.
int rows_at_a_time(const model::Decoder& decoder);

// One decoder reading windows one by one.
class WindowReader {
 public:
  // Gives `rows` logits at a time, at most rows_at_a_time(decoder). The tokens must outlive the
  // reader and be of the vocabulary; the cache must hold a window and is empty again once the
  // reader is gone.
  WindowReader(model::Decoder& decoder, cache::PagedKv& cache, std::span<const int32_t> tokens,
               int32_t bos, int rows);

  // Reads what is before the first scored token. Error: no room in the cache.
  Result<void> start(const Window& window);
  // Logits of the next rows, (rows, vocabulary), valid until the next call; row r is about
  // targets()[r]. No rows: the window is read.
  Result<Matrix<const float>> next();
  std::span<const int32_t> targets() const { return targets_; }
  // Where in the text the first of them stands.
  int64_t first_target() const {
    return begin_ + position_ - static_cast<int>(targets_.size()) + 1;
  }

 private:
  std::span<const int32_t> piece(int count) const;

  model::Decoder& decoder_;
  const std::span<const int32_t> tokens_;
  const int32_t bos_;
  const int rows_;
  model::Sequence sequence_;
  std::vector<int32_t> window_;
  std::span<const int32_t> targets_;  // in window_
  int64_t begin_ = 0;                 // of the window, in the text
  int position_ = 0;                  // of the next token to read, in the window
};

}  // namespace issun::measure
