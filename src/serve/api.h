// What all endpoints share, and the list of them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "engine/embedder.h"
#include "serve/http_server.h"
#include "serve/request_fields.h"
#include "serve/served_model.h"
#include "serve/service.h"
#include "serve/work_queue.h"

namespace issun::serve {

// Texts to vectors.
struct ServedEmbedder {
  std::string id;
  std::unique_ptr<engine::Embedder> embedder;  // of the queue's thread
  std::unique_ptr<WorkQueue> queue;            // last: it ends before what it works on
};

struct Api {
  std::string version;
  ServedModel* model = nullptr;        // nullptr: no model that writes
  Service* service = nullptr;          // as model
  ServedEmbedder* embedder = nullptr;  // nullptr: none that makes vectors
  Defaults defaults;
  double start_seconds = 0;  // seconds_now() when serving began

  // Throw ApiError where there is none.
  ServedModel& writing_model() const;
  ServedEmbedder& embedding_model() const;
};

struct Endpoint {
  const char* method;
  const char* path;
  // May throw ApiError, as long as nothing was written.
  void (*handle)(Api& api, const HttpRequest& request, const std::shared_ptr<Reply>& reply);
  bool open = false;   // needs no key
  bool named = false;  // the path goes on with a name
};

// Each group in a file of its own.
void add_chat(std::vector<Endpoint>& endpoints);         // /v1/chat/completions
void add_completions(std::vector<Endpoint>& endpoints);  // /v1/completions
void add_embeddings(std::vector<Endpoint>& endpoints);   // /v1/embeddings, /v1/rerank
void add_tokens(std::vector<Endpoint>& endpoints);       // /tokenize, /detokenize, /apply-template
void add_status(std::vector<Endpoint>& endpoints);       // /health, /metrics, /v1/models, ...
void add_adapters(std::vector<Endpoint>& endpoints);     // /lora-adapters
void add_slots(std::vector<Endpoint>& endpoints);        // /slots/{id}
void add_ollama(std::vector<Endpoint>& endpoints);       // /api/...
void add_responses(std::vector<Endpoint>& endpoints);    // /v1/responses
void add_messages(std::vector<Endpoint>& endpoints);     // /v1/messages

void send_json(const std::shared_ptr<Reply>& reply, const Json& body, Headers headers = {});
// As the API of the path words it: Ollama's clients know an error as a text, Anthropic's by a type
// outside; all others as the OpenAI API has it.
Refusal worded(const ApiError& error, std::string_view path = {});
void send_error(const std::shared_ptr<Reply>& reply, const ApiError& error,
                std::string_view path = {});

// What `handle` throws becomes the answer.
void answer_with(const std::function<void()>& handle, std::string_view path,
                 const std::shared_ptr<Reply>& reply);

// "data: {...}\n\n" of a stream of events, and its comment for a silence.
std::string event_of(const Json& data);
// The end of such a stream: what it cost, in a last chunk that `frame` begins, where that is asked
// for; or that it failed.
void end_stream(Reply& reply, const std::vector<Choice>& choices, bool with_usage, Json frame);
void fail_stream(Reply& reply, const ApiError& error);
constexpr const char* kIdleComment = ": still working\n\n";
// "chatcmpl-..." and the like: unlikely to be given twice.
std::string new_id(const char* prefix);

Json usage_json(const Usage& usage);    // of the OpenAI API
Json timings_json(const Usage& usage);  // as llama.cpp's server tells them
Json to_json(const chat::ToolCall& call);

}  // namespace issun::serve
