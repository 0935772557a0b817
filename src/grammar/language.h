// A set of texts: any within a range of lengths, or a regular language. What a JSON string may
// hold, or how a number may be written.
#pragma once

#include <memory>

#include "grammar/dfa.h"

namespace issun::grammar {

struct Language {
  static constexpr int64_t kNoLimit = INT64_MAX;
  // Lengths in characters; with `dfa` they are part of it already.
  int64_t least = 0, most = kNoLimit;
  std::shared_ptr<const Dfa> dfa;  // none: any characters
  bool exact = true;               // false: texts are missing, so it has no complement

  bool any() const { return dfa == nullptr && least == 0 && most == kNoLimit; }
  int64_t work() const { return dfa != nullptr ? dfa->work() : 0; }
  bool empty() const { return dfa != nullptr ? dfa->empty() : least > most; }

  static Language of(Dfa dfa, bool exact = true);
  static Language none() { return of(Dfa::none()); }
};

Result<Language> both(const Language& a, const Language& b);
Result<Language> either(const Language& a, const Language& b);
// Error: not exact.
Result<Language> complement(const Language& a);
Result<std::shared_ptr<const Dfa>> as_dfa(const Language& a);

}  // namespace issun::grammar
