#include "grammar/text_language.h"

namespace issun::grammar {

TextLanguage::TextLanguage(Language language) : language_(std::move(language)) {
  if (language_.dfa == nullptr) return;
  for (const auto& alphabet : kAlphabets) runs_.push_back(language_.dfa->free_runs(alphabet));
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

uint32_t TextLanguage::free_run(uint32_t state, int alphabet) const {
  if (language_.dfa != nullptr) return runs_[static_cast<size_t>(alphabet)][state];
  if (language_.most == Language::kNoLimit) return Dfa::kForever;
  return static_cast<uint32_t>(std::min<int64_t>(language_.most - state, Dfa::kForever));
}

}  // namespace issun::grammar
