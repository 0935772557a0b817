// The ways to write calls that are not plain JSON, one function each. All of them: the whole
// section or nullopt.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "chat/tool_calls.h"

namespace issun::chat {

using ReadCalls = std::optional<std::vector<ToolCall>>(std::string_view section,
                                                       const ToolSignatures& tools);

// tool_calls_literals.cpp
ReadCalls read_python_calls;  // [f(p="v"), g()] and f.call(p="v")
ReadCalls read_gemma_call;    // call:f{p:<|"|>v<|"|>}

// tool_calls_tagged.cpp
ReadCalls read_begun_calls;     // each between a begin and an end marker
ReadCalls read_tagged_calls;    // <function=f><parameter=p>v</parameter></function>
ReadCalls read_argument_pairs;  // f<arg_key>p</arg_key><arg_value>v</arg_value>
ReadCalls read_named_calls;     // f[ARGS]{...}

// What a name of a tool or of an argument may look like.
bool is_tool_name(std::string_view text);

}  // namespace issun::chat
