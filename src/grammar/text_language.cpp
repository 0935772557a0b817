#include "grammar/text_language.h"

#include <algorithm>
#include <functional>

namespace issun::grammar {

namespace {
constexpr size_t kMaxAlphabets = 8, kMaxCandidates = 100;
constexpr int kLeastCharacters = 12;  // the tokens of fewer are soon looked at one by one
}  // namespace

RunTable::RunTable(const Dfa& dfa) : reach_(dfa.reaches()) {
  const std::vector<CharSet> by_state = dfa.alphabets(kLeastCharacters);
  struct Use {
    CharSet characters;
    size_t states = 0;
  };
  std::vector<Use> uses;
  for (const CharSet& characters : by_state) {
    if (characters.size() == 0) continue;
    auto use = std::ranges::find(uses, characters, &Use::characters);
    if (use == uses.end()) use = uses.insert(use, {characters});
    ++use->states;
    if (uses.size() == kMaxCandidates) break;
  }
  std::ranges::stable_sort(uses, std::greater(), &Use::states);
  uses.resize(std::min(uses.size(), kMaxAlphabets));
  for (const Use& use : uses) {
    alphabets_.push_back(
        {use.characters, dfa.free_runs(use.characters), dfa.end_runs(use.characters)});
  }
  for (const CharSet& characters : by_state) {
    const auto found = std::ranges::find(alphabets_, characters, &Alphabet::characters);
    numbers_.push_back(
        found == alphabets_.end() ? kNone : static_cast<uint8_t>(found - alphabets_.begin()));
  }
}

TextRuns RunTable::at(uint32_t state) const {
  TextRuns runs;
  runs.reach = reach_[state];
  if (numbers_[state] == kNone) return runs;
  const Alphabet& alphabet = alphabets_[numbers_[state]];
  runs.alphabet = alphabet.characters;
  runs.free = alphabet.free[state];
  runs.ends = alphabet.ends[state];
  return runs;
}

TextLanguage::TextLanguage(Language language, bool in_text) : language_(std::move(language)) {
  if (language_.dfa != nullptr && in_text) runs_ = RunTable(*language_.dfa);
}

uint32_t TextLanguage::step_range(uint32_t state, char32_t first, char32_t last) const {
  if (language_.dfa != nullptr) return language_.dfa->step_range(state, first, last);
  // The state is the length, as far as it matters.
  const bool open = language_.most == Language::kNoLimit;
  if (!open && state >= language_.most) return Dfa::kDead;
  return open && state >= language_.least ? state : state + 1;
}

bool TextLanguage::accepts(uint32_t state) const {
  if (language_.dfa != nullptr) return language_.dfa->label(state) != 0;
  return state >= language_.least && state <= language_.most;
}

TextRuns TextLanguage::runs(uint32_t state) const {
  if (language_.dfa != nullptr) return runs_.at(state);
  TextRuns runs;
  runs.alphabet = CharSet::all();
  if (language_.most != Language::kNoLimit) {
    runs.reach = static_cast<uint32_t>(std::min<int64_t>(language_.most - state, Dfa::kForever));
  }
  runs.free = runs.reach;
  if (accepts(state)) runs.ends = runs.reach == Dfa::kForever ? Dfa::kForever : runs.reach + 1;
  return runs;
}

}  // namespace issun::grammar
