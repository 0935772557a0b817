#include "train/tokenizer_scripts.h"

#include <algorithm>
#include <iterator>

namespace issun::train {

namespace {

constexpr uint32_t kScriptStarts[] = {
#include "train/tokenizer_scripts.inc"
};

}  // namespace

Script script_of(char32_t code) {
  // The last entry that starts at or before the code point.
  const auto* after = std::upper_bound(std::begin(kScriptStarts), std::end(kScriptStarts),
                                       (uint32_t{code} << 8) | 255);
  return static_cast<Script>(*(after - 1) & 255);
}

}  // namespace issun::train
