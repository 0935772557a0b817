#include "grammar/text_language.h"

namespace issun::grammar {

RunTable::RunTable(const Dfa& dfa) : reach_(dfa.reaches()) {
  for (size_t i = 0; i < free_.size(); ++i) free_[i] = dfa.free_runs(kAlphabets[i]);
}

Runs RunTable::at(uint32_t state) const {
  Runs runs;
  for (size_t i = 0; i < free_.size(); ++i) runs.free[i] = free_[i][state];
  runs.reach = reach_[state];
  return runs;
}

TextLanguage::TextLanguage(Language language) : language_(std::move(language)) {
  if (language_.dfa != nullptr) runs_ = RunTable(*language_.dfa);
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

Runs TextLanguage::runs(uint32_t state) const {
  if (language_.dfa != nullptr) return runs_.at(state);
  Runs runs;
  if (language_.most != Language::kNoLimit) {
    runs.reach = static_cast<uint32_t>(std::min<int64_t>(language_.most - state, Dfa::kForever));
  }
  runs.free.fill(runs.reach);
  return runs;
}

}  // namespace issun::grammar
