#include "grammar/language.h"

#include <optional>

namespace issun::grammar {

namespace {
constexpr int64_t kMaxCounted = 100'000;  // states that count characters
}

Language Language::of(Dfa dfa, bool exact) {
  Language language;
  language.dfa = std::make_shared<const Dfa>(std::move(dfa));
  language.exact = exact;
  return language;
}

Result<std::shared_ptr<const Dfa>> as_dfa(const Language& a) {
  if (a.dfa != nullptr) return a.dfa;
  const bool open = a.most == Language::kNoLimit;
  const int64_t last = open ? a.least : a.most + 1;  // where counting stops
  if (last > kMaxCounted) {
    return fail("a length of {} together with other conditions is not supported", last - !open);
  }
  Dfa dfa = TRY(Dfa::explore(
      {}, int64_t{0},
      [&](int64_t length, char32_t) -> std::optional<int64_t> {
        if (!open && length >= a.most) return std::nullopt;
        return std::min(length + 1, last);
      },
      [&](int64_t length) { return length >= a.least && (open || length <= a.most) ? 1u : 0u; }));
  return std::make_shared<const Dfa>(std::move(dfa));
}

Result<Language> both(const Language& a, const Language& b) {
  if (a.any()) return b;
  if (b.any()) return a;
  if (a.dfa == nullptr && b.dfa == nullptr) {
    Language language;
    language.least = std::max(a.least, b.least);
    language.most = std::min(a.most, b.most);
    return language;
  }
  return Language::of(TRY(Dfa::both(*TRY(as_dfa(a)), *TRY(as_dfa(b)))), a.exact && b.exact);
}

Result<Language> either(const Language& a, const Language& b) {
  if (a.any() || b.empty()) return a;
  if (b.any() || a.empty()) return b;
  return Language::of(TRY(Dfa::either(*TRY(as_dfa(a)), *TRY(as_dfa(b)))), a.exact && b.exact);
}

Result<Language> complement(const Language& a) {
  if (!a.exact) return fail("the opposite of this format is not supported");
  if (a.any()) return Language::none();
  if (a.empty()) return Language();
  if (a.dfa == nullptr && a.least == 0) {
    Language longer;
    longer.least = a.most + 1;
    return longer;
  }
  if (a.dfa == nullptr && a.most == Language::kNoLimit) {
    Language shorter;
    shorter.most = a.least - 1;
    return shorter;
  }
  return Language::of(TRY(TRY(as_dfa(a))->complement()));
}

}  // namespace issun::grammar
