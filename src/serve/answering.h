// One request of an API being answered: its choices, each a job of the service, and the writer that
// puts what they say into the API's words.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "chat/answer.h"
#include "serve/api_error.h"
#include "serve/http_server.h"
#include "serve/served_model.h"
#include "serve/service.h"

namespace issun::serve {

struct TokenChoice {
  int32_t token = 0;
  engine::Probabilities probabilities;
};

// One of the answers to a request, as far as it is known.
struct Choice {
  int index = 0;
  bool first = true;                // of those of the same prompt
  std::string text;                 // as the model wrote it
  chat::Answer answer;              // the same, taken apart; ids given to calls
  std::vector<TokenChoice> tokens;  // where probabilities are asked for
  engine::Finish finish = engine::Finish::Running;
  engine::RequestStatistics statistics;
  JobId job = 0;
  bool done = false;

  // "stop", "length", "tool_calls": the OpenAI API's word for how it ended.
  const char* finish_reason() const;
};

// What is new of a choice.
struct Delta {
  std::string text;
  chat::Answer answer;  // places of calls are of the whole answer
  std::vector<TokenChoice> tokens;
};

class Writer {
 public:
  virtual ~Writer() = default;
  // All choices are accepted.
  virtual void begin() {}
  // Called one at a time, and never after all() or failed().
  virtual void delta(const Choice& choice, const Delta& delta) = 0;
  virtual void all(const std::vector<Choice>& choices) = 0;
  virtual void failed(const ApiError& error) = 0;
};

// Of all choices of an answer together; the prompt counts once.
struct Usage {
  int prompt_tokens = 0, cached_tokens = 0, generated_tokens = 0;
  int drafted_tokens = 0, accepted_tokens = 0;
  double prompt_seconds = 0, generation_seconds = 0;
};
Usage usage_of(const std::vector<Choice>& choices);

struct Asked {
  Prompt prompt;
  engine::Request request;  // but prompt, shown_tokens and drop_leading_space
  int choices = 1;
  int priority = 0;
  double deadline = 0;
  bool plain = false;           // the text is the answer, whatever marks are in it
  std::string constraint = {};  // the field that request.grammar comes from
};
// The prompt of a talk, and what it says of the answer. Throws ApiError: a call is forced, and
// something else too.
void go_on_from(Prompt prompt, Asked* asked);

// Submits the choices; the writer hears of everything further, on the engine's thread. A client
// that goes takes its jobs along. Throws ApiError: refused; nothing was or will be written.
void answer(Service& service, std::vector<Asked> prompts, std::shared_ptr<Reply> reply,
            std::shared_ptr<Writer> writer);

// The error of the API for what the service refused.
ApiError to_api_error(const Refused& refused);

}  // namespace issun::serve
