#include "serve/api.h"

#include <new>
#include <random>

namespace issun::serve {

ServedModel& Api::writing_model() const {
  if (model != nullptr) return *model;
  throw ApiError{.status = 501,
                 .message = "the model that is served makes vectors and writes no text"};
}

ServedEmbedder& Api::embedding_model() const {
  if (embedder != nullptr) return *embedder;
  throw ApiError{.status = 501,
                 .message = "no model that makes vectors is served: start with --embedding-model"};
}

void send_json(const std::shared_ptr<Reply>& reply, const Json& body, Headers headers) {
  if (headers.empty()) headers = {{"Content-Type", "application/json; charset=utf-8"}};
  reply->send(200, std::move(headers), dump(body));
}

Refusal worded(const ApiError& error, std::string_view path) {
  Json body = to_json(error);
  if (path.starts_with("/api/")) body = {{"error", error.message}};
  if (path.starts_with("/v1/messages")) body = {{"type", "error"}, {"error", body["error"]}};
  Refusal refusal{error.status, {{"Content-Type", "application/json; charset=utf-8"}}, dump(body)};
  if (error.status == 503) refusal.headers.emplace_back("Retry-After", "1");
  if (error.status == 401) refusal.headers.emplace_back("WWW-Authenticate", "Bearer");
  if (!error.allow.empty()) refusal.headers.emplace_back("Allow", error.allow);
  return refusal;
}

void send_error(const std::shared_ptr<Reply>& reply, const ApiError& error, std::string_view path) {
  Refusal refusal = worded(error, path);
  reply->send(refusal.status, std::move(refusal.headers), std::move(refusal.body));
}

void answer_with(const std::function<void()>& handle, std::string_view path,
                 const std::shared_ptr<Reply>& reply) {
  const auto refuse = [&](const ApiError& error) { send_error(reply, error, path); };
  try {
    handle();
  } catch (const ApiError& error) {
    refuse(error);
  } catch (const std::bad_alloc&) {
    refuse({.status = 503, .message = "not enough memory for this request"});
  } catch (const std::exception& error) {
    refuse({.status = 500, .message = error.what()});
  }
}

std::string event_of(const Json& data) { return "data: " + dump(data) + "\n\n"; }

void end_stream(Reply& reply, const std::vector<Choice>& choices, bool with_usage, Json frame) {
  if (with_usage) {
    const Usage usage = usage_of(choices);
    frame["choices"] = Json::array();
    frame["usage"] = usage_json(usage);
    frame["timings"] = timings_json(usage);
    reply.write(event_of(frame));
  }
  reply.write("data: [DONE]\n\n");
  reply.finish();
}

void fail_stream(Reply& reply, const ApiError& error) {
  reply.write(event_of(to_json(error)));
  reply.finish();
}

std::string new_id(const char* prefix) {
  static constexpr char kLetters[] =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  thread_local std::mt19937_64 random{std::random_device{}()};
  std::string id = prefix;
  for (int i = 0; i < 24; ++i) id += kLetters[random() % 62];
  return id;
}

Json usage_json(const Usage& usage) {
  return {{"prompt_tokens", usage.prompt_tokens},
          {"completion_tokens", usage.generated_tokens},
          {"total_tokens", usage.prompt_tokens + usage.generated_tokens},
          {"prompt_tokens_details", {{"cached_tokens", usage.cached_tokens}}}};
}

Json timings_json(const Usage& usage) {
  const int read = usage.prompt_tokens - usage.cached_tokens;
  const auto rate = [](int n, double seconds) { return seconds > 0 ? n / seconds : 0.0; };
  Json timings = {
      {"cache_n", usage.cached_tokens},
      {"prompt_n", read},
      {"prompt_ms", usage.prompt_seconds * 1000},
      {"prompt_per_second", rate(read, usage.prompt_seconds)},
      {"predicted_n", usage.generated_tokens},
      {"predicted_ms", usage.generation_seconds * 1000},
      // The first token comes with the prompt.
      {"predicted_per_second", rate(usage.generated_tokens - 1, usage.generation_seconds)}};
  if (usage.drafted_tokens > 0) {
    timings["draft_n"] = usage.drafted_tokens;
    timings["draft_n_accepted"] = usage.accepted_tokens;
  }
  return timings;
}

Json to_json(const chat::ToolCall& call) {
  return {{"id", call.id},
          {"type", "function"},
          {"function", {{"name", call.name}, {"arguments", call.arguments}}}};
}

}  // namespace issun::serve
