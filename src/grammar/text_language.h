// A language, ready to be walked: one interface over lengths and machines, and how long texts may
// run freely, for the masks.
#pragma once

#include <vector>

#include "grammar/alphabets.h"
#include "grammar/language.h"

namespace issun::grammar {

class TextLanguage {
 public:
  explicit TextLanguage(Language language);

  uint32_t start() const { return language_.dfa != nullptr ? language_.dfa->start() : 0; }
  // A state, kDead or kMixed (dfa.h) of what characters first..last lead to.
  uint32_t step_range(uint32_t state, char32_t first, char32_t last) const;
  uint32_t step(uint32_t state, char32_t character) const {
    return step_range(state, character, character);
  }
  bool accepts(uint32_t state) const;
  // However many characters of the alphabet may follow, whichever they are.
  uint32_t free_run(uint32_t state, int alphabet) const;

 private:
  Language language_;
  std::vector<std::vector<uint32_t>> runs_;  // (alphabets, states)
};

}  // namespace issun::grammar
