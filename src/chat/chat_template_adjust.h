// What chat templates differ in, and how a conversation is bent to it: a system role that is
// missing, content as text or parts, arguments of tool calls as objects or JSON text.
#pragma once

#include "chat/chat_template.h"

namespace issun::chat {

// Renders small conversations with marked texts and looks where the marks come out.
ChatAbilities probe_abilities(const ChatTemplate& chat);

// What the template makes of a talk in which a tool is defined and called; empty when it refuses.
std::string tool_prompt(const ChatTemplate& chat);

// A copy of `messages` that a template with `abilities` can take; `changes` says what was done.
// Error: arguments that have no JSON.
Result<jinja::Value> adjusted_messages(const jinja::Value& messages, const ChatAbilities& abilities,
                                       ChatChanges* changes);

}  // namespace issun::chat
