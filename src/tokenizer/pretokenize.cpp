#include "tokenizer/pretokenize.h"

namespace issun::tokenizer {
namespace {

using Ends = std::vector<size_t>;

// Each of these cuts chars[begin, end) and appends where the pieces end; the caller appends `end`
// itself.

void cut_matches(const Pattern& pattern, std::span<const Char> chars, size_t begin, size_t end,
                 Ends& ends) {
  const std::span<const Char> piece = chars.first(end);
  size_t last = begin;  // where the previous piece ended
  for (size_t at = begin; at < end;) {
    const size_t length = pattern.match(piece, at);
    if (length == 0) {
      ++at;
      continue;
    }
    if (at > last) ends.push_back(at);
    at += length;
    last = at;
    if (at < end) ends.push_back(at);
  }
}

void cut_thousands(std::span<const Char> chars, size_t begin, size_t end, Ends& ends) {
  const uint16_t number = trait(CharClass::Number);
  for (size_t at = begin; at < end;) {
    if (!(chars[at].traits & number)) {
      ++at;
      continue;
    }
    size_t run = at;
    while (run < end && (chars[run].traits & number)) ++run;
    const size_t first = (run - at) % 3;
    for (size_t cut = at + (first == 0 ? 3 : first); cut <= run; cut += 3) {
      if (cut < end) ends.push_back(cut);
    }
    at = run;
  }
}

void cut_trailing(std::span<const Char> chars, size_t begin, size_t end, Ends& ends) {
  size_t at = end;
  while (at > begin && (chars[at - 1].traits & kWhitespaceTrait)) --at;
  if (at > begin && at < end) ends.push_back(at);
}

}  // namespace

Pretokenizer::Pretokenizer(const Preset& preset) {
  for (const Stage& stage : preset.stages) {
    // A stage without a pattern never looks at one.
    steps_.push_back({stage.kind, Pattern(stage.kind == Stage::Regex ? stage.pattern : "a")});
  }
}

void Pretokenizer::split(std::string_view text, Scratch& scratch) const {
  read_chars(text, scratch.chars);
  scratch.ends.assign(1, scratch.chars.size());
  for (const Step& step : steps_) {
    scratch.next_ends.clear();
    size_t begin = 0;
    for (const size_t end : scratch.ends) {
      switch (step.kind) {
        case Stage::Regex:
          cut_matches(step.pattern, scratch.chars, begin, end, scratch.next_ends);
          break;
        case Stage::Thousands:
          cut_thousands(scratch.chars, begin, end, scratch.next_ends);
          break;
        case Stage::Trailing:
          cut_trailing(scratch.chars, begin, end, scratch.next_ends);
          break;
      }
      scratch.next_ends.push_back(end);
      begin = end;
    }
    scratch.ends.swap(scratch.next_ends);
  }
  // From characters to bytes.
  size_t c = 0, bytes = 0;
  for (size_t& end : scratch.ends) {
    for (; c < end; ++c) bytes += scratch.chars[c].bytes;
    end = bytes;
  }
}

}  // namespace issun::tokenizer
