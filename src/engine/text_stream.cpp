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
  size_t stop = std::string::npos;
  for (const std::string& text : stops_) stop = std::min(stop, held_.find(text));
  if (stop != std::string::npos) {
    out.append(held_, 0, stop);
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
