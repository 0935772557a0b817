// ECMAScript regular expressions, as `pattern` has them, to the language of all texts in which they
// match somewhere.
#pragma once

#include <string_view>

#include "grammar/dfa.h"

namespace issun::grammar {

// Understood: literals, ., classes, \d \w \s \b-less escapes, \xHH \uHHHH \u{H}, groups, |, greedy
// and lazy repetition, ^ and $ anywhere. Error, with the place: what is no regular language
// (backreferences) or not built (lookaround, \b, \p), and what is malformed or too large.
Result<Dfa> parse_regex(std::string_view pattern);

}  // namespace issun::grammar
