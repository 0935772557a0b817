// Python's two ways to put values into a text: "%s" % value and "{}".format(value).
#pragma once

#include <string_view>

#include "base/result.h"
#include "chat/jinja/callable.h"

namespace issun::chat::jinja {

// Conversions s r d i f g e x o c with flags, width and precision; %(name)s takes from a dict.
// A tuple holds several arguments, anything else is one. Error: too few, too many, wrong kind.
Result<Value> percent_format(Runtime& runtime, const Value& format, const Value& argument);

// Fields {} {0} {name}, with .attribute and [key] behind, !r and !s, and a format of fill,
// alignment, sign, width, comma, precision and type d f g e s x o b %.
Result<Value> brace_format(Runtime& runtime, const Value& format, const Arguments& arguments);

}  // namespace issun::chat::jinja
