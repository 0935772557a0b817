// The model that is served, as the APIs see it: talks and texts to prompts, schemas to grammars.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "chat/answer.h"
#include "chat/chat_template.h"
#include "engine/engine.h"
#include "engine/runtime.h"
#include "serve/json.h"

namespace issun::serve {

// Which calls an answer may hold.
struct CallChoice {
  bool forced = false;             // the answer is a call, or several
  bool one = false;                // it holds one at most
  std::vector<std::string> names;  // of the tools a forced call may name; empty: all
};

// A talk as a client sends it, in the OpenAI API's terms.
struct Talk {
  Json messages = Json::array();
  Json tools;  // null: none
  CallChoice calls;
  std::optional<bool> thinking;  // not set: the template's default
  Json variables;                // for the template; null: none
  bool generate = true;          // the prompt ends where the answer begins
};

struct Prompt {
  std::string text;  // of a talk, as the template writes it
  std::vector<int32_t> tokens;
  chat::AnswerFormat format;
  std::vector<int32_t> shown_tokens;
  bool drop_leading_space = false;
  bool one_call = false;                            // no further one is wanted
  std::shared_ptr<const grammar::Grammar> grammar;  // of calls that are forced
};

struct ServedAdapter {
  std::string name;  // of its file
  float scale = 1;
};

struct ServedModelOptions {
  std::string id;                            // what clients call it
  std::optional<std::string> chat_template;  // Jinja, in place of the model's own
  std::vector<ServedAdapter> adapters = {};  // of the weights, in their order
};

// All methods may be called from any thread, and throw ApiError.
class ServedModel {
 public:
  // The runtime outlives it. Error: a chat template that does not parse.
  static Result<std::unique_ptr<ServedModel>> create(engine::Runtime& runtime,
                                                     ServedModelOptions options);

  const std::string& id() const { return options_.id; }
  // Seconds since 1970 when it was made ready.
  int64_t created() const { return created_; }
  engine::Runtime& runtime() const { return runtime_; }
  const tokenizer::Tokenizer& tokenizer() const { return runtime_.model().tokenizer; }
  const chat::ChatTemplate& chat_template() const { return template_; }
  // The model has none of its own, so that ChatML has to do.
  bool template_is_a_guess() const { return template_is_a_guess_; }

  // A last message by the assistant is what the answer begins with.
  Prompt prompt_of(const Talk& talk);
  Prompt prompt_of(const std::string& text) const;
  Prompt prompt_of(std::vector<int32_t> tokens) const;

  // param: the field, for errors.
  std::shared_ptr<const grammar::Grammar> grammar_of_schema(const Json& schema,
                                                            const std::string& param);
  std::shared_ptr<const grammar::Grammar> grammar_of_gbnf(const std::string& gbnf,
                                                          const std::string& param);
  // The adapters, and by what they count where a request does not say.
  std::vector<ServedAdapter> adapters() const;
  void scale_adapters(const std::vector<float>& scales);

  // The bytes of a token's text, control tokens as they are written.
  std::string text_of(int32_t token) const;

 private:
  struct Compiled {
    std::string source;
    std::shared_ptr<const grammar::Grammar> grammar;
  };
  ServedModel(engine::Runtime& runtime, ServedModelOptions options, chat::ChatTemplate with);
  // Of an answer that goes on from the prompt. forced_calls.cpp
  std::shared_ptr<const grammar::Grammar> grammar_of_calls(const Talk& talk,
                                                           const chat::ChatInput& input,
                                                           const Prompt& prompt);
  std::shared_ptr<const grammar::Grammar> compiled(
      std::string source, const std::string& param,
      const std::function<Result<grammar::Grammar>()>& compile);

  engine::Runtime& runtime_;
  const ServedModelOptions options_;
  const chat::ChatTemplate template_;
  const int64_t created_;
  bool template_is_a_guess_ = false;
  mutable std::mutex mutex_;             // guards all below
  std::list<Compiled> grammars_;         // the latest first
  std::vector<ServedAdapter> adapters_;  // with the scales of now
};

}  // namespace issun::serve
