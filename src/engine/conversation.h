// A talk with a model: what was said so far, and the prompt that comes of it. Through the model's
// chat template; or, for a model without one, as a text that goes on.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "chat/answer.h"
#include "chat/chat_template.h"
#include "model/model.h"

namespace issun::engine {

struct ConversationOptions {
  std::string system;  // told before the talk; empty: nothing
  bool raw = false;    // the text goes on even if there is a template
  // Jinja, in place of the model's own template.
  std::optional<std::string> chat_template = {};
  chat::jinja::Value tools = {};      // a list of definitions; undefined: none
  std::optional<bool> thinking = {};  // enable_thinking; not set: what the template wants
  // For the template, besides what every template gets.
  std::vector<std::pair<std::string, chat::jinja::Value>> variables = {};
};

class Conversation {
 public:
  // Error: the template does not parse; a system text, tools or variables for a model that has no
  // template to put them in; a template without a place for tools, without a switch for thinking,
  // or that never mentions a variable; a variable that the talk itself sets.
  static Result<Conversation> create(const model::Model& model, ConversationOptions options);

  // No template: what is asked is the text to continue.
  bool continues_text() const { return !template_.has_value(); }
  // The tokens of the whole prompt if the person says this next; the talk stays as it is until
  // answered(). Error: the template refuses.
  Result<std::vector<int32_t>> ask(std::string_view text);
  // How the answer to the last ask() is written.
  const chat::AnswerFormat& answer_format() const { return format_; }
  // Control tokens that belong to the text of such an answer, since they mark its parts.
  std::vector<int32_t> shown_tokens() const;
  // Adds what the person said and what the model answered. What of its reasoning stays in the talk
  // is up to the template. Returns the answer as it stays in the talk: with an id for each call
  // that the model gave none.
  chat::Answer answered(std::string_view text, chat::Answer answer);
  // Forgets all but the system text.
  void clear();
  // Whether a space that begins the answer to this belongs to the vocabulary, not to the text.
  bool drops_leading_space(std::string_view text) const;
  // What the template could not take as it was said and had to be changed, for the person to know;
  // empty if nothing. Of the last ask().
  const std::string& note() const { return note_; }
  // What was said, readable.
  std::string transcript() const;

 private:
  struct Turn {
    std::string question;
    chat::Answer answer;
  };
  Conversation(const model::Model& model, ConversationOptions options)
      : model_(&model), options_(std::move(options)) {}
  Result<void> check() const;
  Result<chat::ChatPrompt> render(std::string_view question);

  const model::Model* model_;
  ConversationOptions options_;
  std::optional<chat::ChatTemplate> template_;
  chat::AnswerFormat format_;
  std::vector<Turn> turns_;
  int calls_ = 0;     // in all answers
  std::string text_;  // of a talk without a template
  std::string note_;
};

}  // namespace issun::engine
