// Pretokenizer: a text becomes words, each to be merged on its own.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "tokenizer/pattern.h"
#include "tokenizer/presets.h"

namespace issun::tokenizer {

class Pretokenizer {
 public:
  explicit Pretokenizer(const Preset& preset);

  // Working memory of one call, to be reused.
  struct Scratch {
    std::vector<Char> chars;
    std::vector<size_t> ends, next_ends;
  };
  // `ends` in the scratch becomes the ends of the words as byte offsets in the text, rising; the
  // last is text.size(). Time is linear in the text for every preset.
  void split(std::string_view text, Scratch& scratch) const;

 private:
  struct Step {
    Stage::Kind kind;
    Pattern pattern;
  };
  std::vector<Step> steps_;
};

}  // namespace issun::tokenizer
