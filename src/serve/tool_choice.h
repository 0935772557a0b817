// Whether a request's tools may, must or must not be called, and which of them.
#pragma once

#include <string>

#include "serve/fields.h"
#include "serve/served_model.h"

namespace issun::serve {

// tool_choice and parallel_tool_calls of the OpenAI API, as chat completions and responses have
// them. The talk has its tools already; those that may not be called are taken away.
void read_tool_choice(Fields& fields, Talk* talk);
// tool_choice of the Anthropic API.
void read_message_tool_choice(Fields& fields, Talk* talk);

}  // namespace issun::serve
