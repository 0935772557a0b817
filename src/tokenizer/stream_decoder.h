// StreamDecoder: the pieces of tokens, which may end inside a character, become text that never
// does.
#pragma once

#include <string>
#include <string_view>

namespace issun::tokenizer {

class StreamDecoder {
 public:
  // Appends to `out` all characters that are complete now. Bytes that can no longer become one are
  // replaced by U+FFFD as soon as that is certain; at most three bytes wait.
  void feed(std::string_view piece, std::string& out);
  // Nothing more will come: what waits becomes one U+FFFD.
  void flush(std::string& out);
  // Bytes of a character that has begun.
  std::string_view pending() const { return pending_; }

 private:
  std::string pending_;
};

}  // namespace issun::tokenizer
