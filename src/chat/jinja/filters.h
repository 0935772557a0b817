// The filters, in three tables by what they work on.
#pragma once

#include <span>

#include "chat/jinja/callable.h"

namespace issun::chat::jinja {

std::span<const Builtin> text_filters();
std::span<const Builtin> value_filters();     // numbers, JSON, defaults
std::span<const Builtin> sequence_filters();  // whatever a loop can run over

}  // namespace issun::chat::jinja
