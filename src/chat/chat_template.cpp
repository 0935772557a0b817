#include "chat/chat_template.h"

#include <ctime>

#include "chat/chat_template_adjust.h"
#include "chat/jinja/parser.h"

namespace issun::chat {

namespace {

int64_t wall_clock() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  return localtime_r(&now, &local) == nullptr ? now : now + local.tm_gmtoff;
}

}  // namespace

void ChatInput::add(const ChatMessage& message) {
  std::vector<jinja::Value::Pair> entries = {{"role", message.role}, {"content", message.content}};
  if (!message.reasoning.empty()) entries.emplace_back("reasoning_content", message.reasoning);
  messages.items().values.push_back(jinja::Value::dict(std::move(entries)));
}

Result<ChatTemplate> ChatTemplate::parse(std::string source) {
  ChatTemplate chat;
  Result<jinja::Body> body = jinja::parse(source);
  if (!body) return fail("chat template: {}", body.error().message);
  chat.source_ = std::move(source);
  chat.body_ = std::make_shared<const jinja::Body>(std::move(*body));
  chat.abilities_ = probe_abilities(chat);
  return chat;
}

Result<std::string> ChatTemplate::render(const ChatInput& input,
                                         const jinja::Limits& limits) const {
  return TRY(rendering(input, limits)).text;
}

Result<jinja::Rendering> ChatTemplate::rendering(const ChatInput& input,
                                                 const jinja::Limits& limits) const {
  jinja::Globals globals, given;
  given.emplace_back("messages", input.messages);
  if (!input.tools.is_undefined()) given.emplace_back("tools", input.tools);
  globals.emplace_back("add_generation_prompt", input.add_generation_prompt);
  if (input.enable_thinking) globals.emplace_back("enable_thinking", *input.enable_thinking);
  globals.emplace_back("bos_token", input.bos_token);
  globals.emplace_back("eos_token", input.eos_token);
  given.insert(given.end(), input.variables.begin(), input.variables.end());
  jinja::Interpreter interpreter(limits, input.clock ? *input.clock : wall_clock());
  Result<jinja::Rendering> made = interpreter.render(*body_, globals, given);
  if (!made) return fail("chat template: {}", made.error().message);
  return made;
}

Result<ChatPrompt> ChatTemplate::apply(const ChatInput& input, const jinja::Limits& limits) const {
  ChatPrompt prompt;
  ChatInput adjusted = input;
  adjusted.messages = TRY(adjusted_messages(input.messages, abilities_, &prompt.changes));
  jinja::Rendering made = TRY(rendering(adjusted, limits));
  prompt.text = std::move(made.text);
  prompt.input = made.input.ranges();
  return prompt;
}

}  // namespace issun::chat
