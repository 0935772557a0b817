// From the bytes of tokens to text that may be shown: whole characters only, nothing of a stop
// text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/stream_decoder.h"

namespace issun::engine {

class TextStream {
 public:
  // drop_leading_space: the first character of all is left out if it is a space (SentencePiece
  // vocabularies write one before the first word).
  TextStream(std::vector<std::string> stops, bool drop_leading_space)
      : stops_(std::move(stops)), at_start_(drop_leading_space) {}

  // Appends to `out` what can be shown now; what may yet become a stop text is held back.
  // true: a stop text is complete, the first that is; it and all after it are dropped, and the
  // stream has ended.
  bool feed(std::string_view bytes, std::string& out);
  // The end: what was held back is shown, half characters as U+FFFD.
  void finish(std::string& out);

 private:
  bool release(std::string& out);
  tokenizer::StreamDecoder decoder_;
  std::vector<std::string> stops_;
  std::string held_;  // whole characters not shown yet
  bool at_start_;
};

}  // namespace issun::engine
