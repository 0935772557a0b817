// Turns the source of a template into its syntax tree.
#pragma once

#include <string_view>

#include "base/result.h"
#include "chat/jinja/ast.h"

namespace issun::chat::jinja {

// Error: the first thing that is no Jinja, or is Jinja but not for chat templates (include, import,
// extends), or is nested deeper than a stack should hold. The message starts with the line.
Result<Body> parse(std::string_view source);

}  // namespace issun::chat::jinja
