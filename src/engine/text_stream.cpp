#include "engine/text_stream.h"

#include <algorithm>

namespace issun::engine {

bool TextStream::feed(std::string_view bytes, std::string& out) {
  decoder_.feed(bytes, held_);
  return release(out);
}

void TextStream::finish(std::string& out) {
  decoder_.flush(held_);
  if (!release(out)) out += held_;
  held_.clear();
}

bool TextStream::release(std::string& out) {
  if (at_start_ && !held_.empty()) {
    if (held_[0] == ' ') held_.erase(0, 1);
    at_start_ = false;
  }
  // The one that is complete first, so that it is the same however the text is cut; of two that end
  // together the longer, so that nothing of either is shown.
  size_t begin = 0, end = std::string::npos;
  for (const std::string& text : stops_) {
    const size_t at = held_.find(text);
    if (at == std::string::npos || at + text.size() > end) continue;
    begin = at + text.size() < end ? at : std::min(begin, at);
    end = at + text.size();
  }
  if (end != std::string::npos) {
    out.append(held_, 0, begin);
    held_.clear();
    return true;
  }
  // The longest end of the text that is the beginning of some stop text stays.
  size_t kept = 0;
  for (const std::string& text : stops_) {
    for (size_t n = std::min(text.size() - 1, held_.size()); n > kept; --n) {
      if (held_.ends_with(std::string_view(text).substr(0, n))) kept = n;
    }
  }
  out.append(held_, 0, held_.size() - kept);
  held_.erase(0, held_.size() - kept);
  return false;
}

}  // namespace issun::engine
