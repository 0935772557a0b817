// How an object is kept in mind while it is read: which properties were there, and what may still
// come.
#pragma once

#include "grammar/json_rules.h"

namespace issun::grammar {

// [count of properties, flags, bits of the named ones..., numbers of other names if distinct...]
using Seen = std::vector<uint32_t>;

Seen first_seen(const ObjectRule& rule);
bool was_seen(const Seen& seen, uint32_t name);
bool other_was_seen(const ObjectRule& rule, const Seen& seen, uint32_t text);

// With one property more. `witness`: it is the one that the object needs.
Seen with_name(const ObjectRule& rule, Seen seen, uint32_t name, bool witness);
Seen with_other(const ObjectRule& rule, Seen seen, uint32_t text, bool witness);

// Whether some values of further properties complete the object.
bool completable(const ObjectRule& rule, const Seen& seen);
bool may_end(const ObjectRule& rule, const Seen& seen);
// Whether this property may come next, with either of its rules.
bool may_take_name(const ObjectRule& rule, const Seen& seen, uint32_t name);
bool may_take_other(const ObjectRule& rule, const Seen& seen);
// How many of the names before each may come next: named.size() + 1 numbers.
std::vector<uint32_t> takeable_names(const ObjectRule& rule, const Seen& seen);

}  // namespace issun::grammar
