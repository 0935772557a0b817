// A language, ready to be walked: one interface over lengths and machines, and how long texts may
// run freely, for the masks.
#pragma once

#include <vector>

#include "grammar/char_set.h"
#include "grammar/language.h"

namespace issun::grammar {

// How a text may go on, whatever is read.
struct TextRuns {
  CharSet alphabet;
  uint32_t free = 0;  // so many characters of the alphabet, whichever they are
  // 0: the text may not end here; n: it may, and also after any n - 1 characters of the alphabet,
  // always to the same effect.
  uint32_t ends = 0;
  uint32_t reach = Dfa::kForever;  // never more characters than this
};

// The runs of all states of a machine. Where a state takes few characters, or the machine has many
// kinds of states, its alphabet is empty: true, but of no help.
class RunTable {
 public:
  RunTable() = default;
  explicit RunTable(const Dfa& dfa);
  TextRuns at(uint32_t state) const;

 private:
  struct Alphabet {
    CharSet characters;
    std::vector<uint32_t> free, ends;  // by state
  };
  static constexpr uint8_t kNone = 0xFF;
  std::vector<Alphabet> alphabets_;
  std::vector<uint8_t> numbers_;  // by state: of its alphabet
  std::vector<uint32_t> reach_;
};

class TextLanguage {
 public:
  // `in_text`: of what stands inside a text, so that runs() is asked for.
  TextLanguage(Language language, bool in_text);

  const Dfa* dfa() const { return language_.dfa.get(); }  // nullptr: lengths alone
  uint32_t start() const { return language_.dfa != nullptr ? language_.dfa->start() : 0; }
  // A state, kDead or kMixed (dfa.h) of what characters first..last lead to.
  uint32_t step_range(uint32_t state, char32_t first, char32_t last) const;
  uint32_t step(uint32_t state, char32_t character) const {
    if (language_.dfa != nullptr) return language_.dfa->step(state, character);
    return step_range(state, character, character);
  }
  bool accepts(uint32_t state) const;
  TextRuns runs(uint32_t state) const;

 private:
  Language language_;
  RunTable runs_;
};

}  // namespace issun::grammar
