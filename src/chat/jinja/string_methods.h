// The methods of a string, Python's str.
#pragma once

#include <span>

#include "chat/jinja/callable.h"

namespace issun::chat::jinja {

std::span<const Builtin> string_methods();

// `text` with the first `count` (negative: all) places of `old` replaced; shared with the filter.
Result<Value> replaced(Runtime& runtime, const Value& text, std::string_view old, const Value& by,
                       int64_t count);

}  // namespace issun::chat::jinja
