// Chat templates: how a conversation becomes the one text a model was trained to see.
// A GGUF file carries it under tokenizer.chat_template, written in Jinja; it comes from a stranger,
// so rendering is bounded in steps, bytes and depth (jinja/runtime.h).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "chat/jinja/ast.h"
#include "chat/jinja/eval.h"
#include "chat/jinja/runtime.h"
#include "chat/jinja/value.h"

namespace issun::chat {

struct ChatMessage {
  std::string role;  // system, user, assistant, tool
  std::string content;
  std::string reasoning;  // becomes reasoning_content unless empty
};

struct ChatInput {
  // A list of dicts as the OpenAI API names their keys: role, content (text or list of parts),
  // tool_calls, tool_call_id, name, reasoning_content. jinja::parse_json (jinja/json.h) makes one.
  jinja::Value messages = jinja::Value::list();
  jinja::Value tools;  // a list of tool definitions; left undefined: the template sees none
  bool add_generation_prompt = true;
  std::optional<bool> enable_thinking;  // not set: the template's own default
  std::string bos_token, eos_token;
  // Seconds since 1970 as the clock on the wall shows them (local time, not UTC), for templates
  // that name the date. Not set: now.
  std::optional<int64_t> clock;
  // Further variables, such as date_string or reasoning_effort. They win over those above.
  std::vector<std::pair<std::string, jinja::Value>> variables;

  void add(const ChatMessage& message);
};

// What had to be changed in a conversation before the template took it; the caller may tell the
// user.
struct ChatChanges {
  bool system_moved = false;         // put in front of the next turn, which is the user's
  bool parts_joined = false;         // lists of text parts became one text, with line ends between
  bool text_wrapped = false;         // texts became lists of one part
  bool arguments_converted = false;  // arguments of tool calls: JSON text to objects, or back
};

// What a template can take.
struct ChatAbilities {
  bool system_role = true;        // a system message is accepted and appears
  bool text_content = true;       // content may be a plain text; otherwise a list of parts
  bool object_arguments = false;  // arguments of tool calls may be objects; otherwise JSON text
  bool tools = false;             // tool definitions appear
  bool thinking_switch = false;   // enable_thinking changes the prompt
};

struct ChatPrompt {
  std::string text;
  // What of the text came from the messages, the tools and the variables: no markup, whatever it
  // looks like. Roles are the template's.
  std::vector<ByteRange> input;
  ChatChanges changes;
};

class ChatTemplate {
 public:
  // Error: the source is no template; names the line.
  static Result<ChatTemplate> parse(std::string source);

  // Exactly what the template makes of the input. Error: what it refused or did wrong, with the
  // line.
  Result<std::string> render(const ChatInput& input, const jinja::Limits& limits = {}) const;
  // Renders after adjusting the messages to what the template can take.
  Result<ChatPrompt> apply(const ChatInput& input, const jinja::Limits& limits = {}) const;

  const std::string& source() const { return source_; }
  // Found out at parse() by rendering small conversations.
  const ChatAbilities& abilities() const { return abilities_; }

 private:
  ChatTemplate() = default;
  Result<jinja::Rendering> rendering(const ChatInput& input, const jinja::Limits& limits) const;

  std::string source_;
  std::shared_ptr<const jinja::Body> body_;  // shared by copies; never changes
  ChatAbilities abilities_;
};

}  // namespace issun::chat
