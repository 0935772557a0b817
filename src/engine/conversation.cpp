#include "engine/conversation.h"

#include <utility>

namespace issun::engine {

Result<Conversation> Conversation::create(const model::Model& model, std::string system, bool raw) {
  Conversation conversation(model, std::move(system));
  if (!raw && !model.chat_template.empty()) {
    auto parsed = chat::ChatTemplate::parse(model.chat_template);
    if (!parsed) {
      return fail("tokenizer.chat_template: {}; --raw does without it", parsed.error().message);
    }
    conversation.template_ = std::move(*parsed);
  }
  if (conversation.continues_text() && !conversation.system_.empty()) {
    return fail("a system text needs a chat template, and {}",
                raw ? "raw text has none" : "this model has none");
  }
  return conversation;
}

Result<std::vector<int32_t>> Conversation::ask(std::string_view text) {
  if (continues_text()) return model_->tokenizer.encode(text_ + std::string(text));
  const chat::ChatPrompt prompt = TRY(render(text));
  // Most templates write the token that begins a text themselves; it stands there exactly once.
  const tokenizer::Token bos = model_->tokenizer.bos();
  const std::string_view begin = bos < 0 ? "" : model_->tokenizer.token_text(bos);
  const bool said = !prompt.input.empty() && prompt.input[0].begin < begin.size();
  const bool begun = !begin.empty() && prompt.text.starts_with(begin) && !said;
  return model_->tokenizer.encode(
      prompt.text, {.add_special = !begun, .parse_special = true, .literal = prompt.input});
}

Result<chat::ChatPrompt> Conversation::render(std::string_view question) {
  chat::ChatInput input;
  if (!system_.empty()) input.add({"system", system_, ""});
  for (const Turn& turn : turns_) input.add({turn.role, turn.content, ""});
  input.add({"user", std::string(question), ""});
  const auto text_of = [&](tokenizer::Token token) {
    return token < 0 ? std::string() : std::string(model_->tokenizer.token_text(token));
  };
  input.bos_token = text_of(model_->tokenizer.bos());
  input.eos_token = text_of(model_->tokenizer.eos());
  chat::ChatPrompt prompt = TRY(template_->apply(input));
  note_ = prompt.changes.system_moved ? "this model's template has no place for a system text: it "
                                        "stands before the first question"
                                      : "";
  return prompt;
}

void Conversation::answered(std::string_view text, std::string_view answer) {
  if (continues_text()) {
    text_ += text;
    text_ += answer;
  } else {
    turns_.push_back({"user", std::string(text)});
    turns_.push_back({"assistant", std::string(answer)});
  }
}

void Conversation::clear() {
  turns_.clear();
  text_.clear();
}

bool Conversation::drops_leading_space(std::string_view text) const {
  const bool from_nothing = text_.empty() && text.empty();
  return model_->tokenizer.model() == "llama" && (!continues_text() || from_nothing);
}

std::string Conversation::transcript() const {
  if (continues_text()) return text_ + "\n";
  std::string all = system_.empty() ? "" : "system: " + system_ + "\n\n";
  for (const Turn& turn : turns_) all += turn.role + ": " + turn.content + "\n\n";
  return all;
}

}  // namespace issun::engine
