// The languages of `format`.
#pragma once

#include <optional>
#include <string_view>

#include "grammar/dfa.h"

namespace issun::grammar {

struct FormatLanguage {
  Dfa texts;
  // Some valid texts are missing, so the complement would hold them: leap seconds away from UTC,
  // punycode host names.
  bool exact = true;
};

// Nothing: no format of the standard, which by the standard says nothing. Error: one of the
// standard that is not supported.
Result<std::optional<FormatLanguage>> format_language(std::string_view name);

}  // namespace issun::grammar
