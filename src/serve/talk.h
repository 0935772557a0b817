// A talk out of a request: messages, tools, whether to think.
#pragma once

#include "serve/fields.h"
#include "serve/served_model.h"

namespace issun::serve {

// messages, tools, tool_choice, parallel_tool_calls, chat_template_kwargs, reasoning_effort and
// enable_thinking of the OpenAI API, checked.
Talk read_talk(Fields& fields);

// Each message an object with a role that is known and content that is text.
void check_messages(const Json& messages, const std::string& path);

}  // namespace issun::serve
