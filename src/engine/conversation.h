// A talk with a model: what was said so far, and the prompt that comes of it. Through the model's
// chat template; or, for a model without one, as a text that goes on.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "chat/chat_template.h"
#include "model/model.h"

namespace issun::engine {

class Conversation {
 public:
  // `raw`: the text goes on even if there is a template. Error: the template does not parse, or a
  // system text for a model that has no template to put it in.
  static Result<Conversation> create(const model::Model& model, std::string system, bool raw);

  // No template: what is asked is the text to continue.
  bool continues_text() const { return !template_.has_value(); }
  // The tokens of the whole prompt if the person says this next; the talk stays as it is until
  // answered(). Error: the template refuses.
  Result<std::vector<int32_t>> ask(std::string_view text);
  // Adds what the person said and what the model answered.
  void answered(std::string_view text, std::string_view answer);
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
    std::string role, content;
  };
  Conversation(const model::Model& model, std::string system)
      : model_(&model), system_(std::move(system)) {}
  Result<chat::ChatPrompt> render(std::string_view question);

  const model::Model* model_;
  std::string system_;
  std::optional<chat::ChatTemplate> template_;
  std::vector<Turn> turns_;
  std::string text_;  // of a talk without a template
  std::string note_;
};

}  // namespace issun::engine
