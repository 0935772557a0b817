#include "engine/conversation.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "chat/prompt_tokens.h"

namespace issun::engine {

namespace {

using chat::jinja::Value;

Value message(const char* role, std::string_view content) {
  return Value::dict({{"role", role}, {"content", content}});
}

Value message_of(const chat::Answer& answer) {
  Value said = message("assistant", answer.content);
  if (!answer.reasoning.empty()) said.entries().set("reasoning_content", answer.reasoning);
  if (answer.calls.empty()) return said;
  std::vector<Value> calls;
  for (const chat::ToolCall& call : answer.calls) {
    const Value function = Value::dict({{"name", call.name}, {"arguments", call.arguments}});
    calls.push_back(Value::dict({{"id", call.id}, {"type", "function"}, {"function", function}}));
  }
  said.entries().set("tool_calls", Value::list(std::move(calls)));
  return said;
}

// What a conversation is made of; given by a variable it would be lost.
constexpr std::string_view kReserved[] = {"messages", "tools", "add_generation_prompt", "bos_token",
                                          "eos_token"};

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// Whether `name` stands there as a word, not as a part of another.
bool mentions(std::string_view source, std::string_view name) {
  for (size_t at = source.find(name); at != source.npos; at = source.find(name, at + 1)) {
    const size_t end = at + name.size();
    const bool longer =
        (at > 0 && is_word(source[at - 1])) || (end < source.size() && is_word(source[end]));
    if (!name.empty() && !longer) return true;
  }
  return false;
}

}  // namespace

Result<Conversation> Conversation::create(const model::Model& model, ConversationOptions options) {
  Conversation conversation(model, std::move(options));
  const auto& given = conversation.options_.chat_template;
  const std::string& source = given ? *given : model.chat_template;
  if (!conversation.options_.raw && !source.empty()) {
    auto parsed = chat::ChatTemplate::parse(source);
    if (!parsed) {
      if (given) return fail("the given {}", parsed.error().message);
      return fail("tokenizer.chat_template: {}; --raw does without it", parsed.error().message);
    }
    conversation.template_ = std::move(*parsed);
  }
  TRY(conversation.check());
  return conversation;
}

Result<void> Conversation::check() const {
  const auto& o = options_;
  if (continues_text()) {
    const char* what = !o.system.empty()         ? "a system text needs"
                       : !o.tools.is_undefined() ? "tools need"
                       : o.thinking              ? "a switch for thinking needs"
                       : !o.variables.empty()    ? "variables need"
                                                 : nullptr;
    if (what == nullptr) return {};
    return fail("{} a chat template, and {}", what,
                o.raw ? "raw text has none" : "this model has none");
  }
  if (!o.tools.is_undefined() && !template_->abilities().tools)
    return fail("tools: this chat template has no place for them");
  if (o.thinking && !template_->abilities().thinking_switch)
    return fail("reasoning: this chat template has no switch for it (enable_thinking)");
  for (const auto& [name, value] : o.variables) {
    if (std::find(std::begin(kReserved), std::end(kReserved), name) != std::end(kReserved))
      return fail("variable '{}': expected another name, since the talk itself sets it", name);
    if (o.thinking && name == "enable_thinking")
      return fail("variable '{}': the switch for reasoning is given too, which sets it", name);
    if (!mentions(template_->source(), name))
      return fail("variable '{}': this chat template never mentions it", name);
  }
  return {};
}

Result<std::vector<int32_t>> Conversation::ask(std::string_view text) {
  if (continues_text()) return model_->tokenizer.encode(text_ + std::string(text));
  const chat::ChatPrompt prompt = TRY(render(text));
  return chat::encode_prompt(model_->tokenizer, prompt);
}

Result<chat::ChatPrompt> Conversation::render(std::string_view question) {
  chat::ChatInput input;
  std::vector<Value>& messages = input.messages.items().values;
  if (!options_.system.empty()) messages.push_back(message("system", options_.system));
  for (const Turn& turn : turns_) {
    messages.push_back(message("user", turn.question));
    messages.push_back(message_of(turn.answer));
  }
  messages.push_back(message("user", question));
  input.tools = options_.tools;
  input.enable_thinking = options_.thinking;
  input.variables = options_.variables;
  chat::name_text_ends(model_->tokenizer, &input);
  chat::ChatPrompt prompt = TRY(template_->apply(input));
  note_ = prompt.changes.system_moved ? "this model's template has no place for a system text: it "
                                        "stands before the first question"
                                      : "";
  format_ = chat::answer_format(*template_, input, prompt.text);
  return prompt;
}

std::vector<int32_t> Conversation::shown_tokens() const {
  std::vector<int32_t> shown;
  if (continues_text()) return shown;
  for (const std::string& mark : format_.marks()) {
    const tokenizer::Token token = model_->tokenizer.find(mark);
    if (token != tokenizer::kNoToken) shown.push_back(token);
  }
  return shown;
}

chat::Answer Conversation::answered(std::string_view text, chat::Answer answer) {
  for (chat::ToolCall& call : answer.calls) {
    ++calls_;
    // Nine letters and digits: templates of Mistral refuse everything else.
    if (call.id.empty()) call.id = fmt::format("call{:05}", calls_ % 100'000);
  }
  if (continues_text()) {
    text_ += text;
    text_ += answer.content;
  } else {
    turns_.push_back({std::string(text), answer});
  }
  return answer;
}

void Conversation::clear() {
  turns_.clear();
  calls_ = 0;
  text_.clear();
}

bool Conversation::drops_leading_space(std::string_view text) const {
  const bool from_nothing = text_.empty() && text.empty();
  return model_->tokenizer.model() == "llama" && (!continues_text() || from_nothing);
}

std::string Conversation::transcript() const {
  if (continues_text()) return text_ + "\n";
  std::string all;
  const auto add = [&](const char* who, const std::string& said) {
    if (!said.empty()) all += std::string(who) + ": " + said + "\n\n";
  };
  add("system", options_.system);
  for (const Turn& turn : turns_) {
    add("user", turn.question);
    add("reasoning", turn.answer.reasoning);
    add("assistant", turn.answer.content);
    for (const chat::ToolCall& call : turn.answer.calls)
      add("tool call", call.name + " " + call.arguments);
  }
  return all;
}

}  // namespace issun::engine
