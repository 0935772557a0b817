// A language, ready to be walked: one interface over lengths and machines, and how long texts may
// run freely, for the masks.
#pragma once

#include <vector>

#include "grammar/alphabets.h"
#include "grammar/language.h"

namespace issun::grammar {

// Runs of all states of a machine.
class RunTable {
 public:
  RunTable() = default;
  explicit RunTable(const Dfa& dfa);
  Runs at(uint32_t state) const;

 private:
  std::array<std::vector<uint32_t>, kAlphabetCount> free_;
  std::vector<uint32_t> reach_;
};

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
  Runs runs(uint32_t state) const;

 private:
  Language language_;
  RunTable runs_;
};

}  // namespace issun::grammar
