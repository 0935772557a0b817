#include "tokenizer/stream_decoder.h"

#include "base/utf8.h"

namespace issun::tokenizer {

void StreamDecoder::feed(std::string_view piece, std::string& out) {
  pending_ += piece;
  size_t at = 0;
  while (at < pending_.size()) {
    const Utf8Char c = decode_utf8(pending_, at);
    if (c.state == Utf8::Truncated) break;
    append_utf8(c.code, out);
    at += static_cast<size_t>(c.bytes);
  }
  pending_.erase(0, at);
}

void StreamDecoder::flush(std::string& out) {
  if (!pending_.empty()) append_utf8(kReplacementCharacter, out);
  pending_.clear();
}

}  // namespace issun::tokenizer
