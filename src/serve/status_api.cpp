// How the server stands: /health, /metrics, /v1/models, /props.
#include <fmt/format.h>

#include "base/clock.h"
#include "serve/api.h"

namespace issun::serve {

namespace {

void health(Api&, const HttpRequest&, const std::shared_ptr<Reply>& reply) {
  send_json(reply, {{"status", "ok"}});
}

Json model_json(const engine::Runtime& runtime, const model::Model& model) {
  return {{"n_vocab", model.config.vocabulary_size},
          {"n_ctx", runtime.options().context},
          {"n_ctx_train", model.config.context_length},
          {"n_embd", model.config.embedding_length},
          {"n_params", model.weights.products_per_token(true)},
          {"size", model.file.file_bytes()}};
}

void models(Api& api, const HttpRequest&, const std::shared_ptr<Reply>& reply) {
  Json data = Json::array();
  if (api.model != nullptr) {
    engine::Runtime& runtime = api.model->runtime();
    data.push_back({{"id", api.model->id()},
                    {"object", "model"},
                    {"created", api.model->created()},
                    {"owned_by", "issun"},
                    {"meta", model_json(runtime, runtime.model())}});
  }
  if (api.embedder != nullptr) {
    data.push_back({{"id", api.embedder->id},
                    {"object", "model"},
                    {"created", api.model != nullptr ? api.model->created() : unix_seconds()},
                    {"owned_by", "issun"},
                    {"meta", {{"embedding", true}}}});
  }
  send_json(reply, {{"object", "list"}, {"data", std::move(data)}});
}

void props(Api& api, const HttpRequest&, const std::shared_ptr<Reply>& reply) {
  ServedModel& model = api.writing_model();
  const auto& sampling = api.defaults.sampling;
  send_json(reply, {{"default_generation_settings",
                     {{"n_ctx", model.runtime().options().context},
                      {"params",
                       {{"temperature", sampling.temperature},
                        {"top_k", sampling.top_k},
                        {"top_p", sampling.top_p},
                        {"min_p", sampling.min_p},
                        {"repeat_penalty", sampling.repeat_penalty},
                        {"max_tokens", api.defaults.max_tokens}}}}},
                    {"total_slots", api.service->options().most_running},
                    {"model_path", model.id()},
                    {"chat_template", model.chat_template().source()},
                    {"chat_template_is_a_guess", model.template_is_a_guess()},
                    {"build_info", api.version}});
}

void slots(Api& api, const HttpRequest&, const std::shared_ptr<Reply>& reply) {
  api.writing_model();
  const ServiceFigures f = api.service->figures();
  send_json(reply, {{"running", f.running},
                    {"waiting", f.waiting},
                    {"total_slots", api.service->options().most_running},
                    {"cache_pages", f.pages},
                    {"cache_pages_free", f.free_pages}});
}

void metrics(Api& api, const HttpRequest&, const std::shared_ptr<Reply>& reply) {
  const ServiceFigures f = api.service != nullptr ? api.service->figures() : ServiceFigures();
  std::string text;
  const auto add = [&](const char* name, const char* kind, const char* help, double value) {
    text += fmt::format("# HELP issun_{0} {1}\n# TYPE issun_{0} {2}\nissun_{0} {3}\n", name, help,
                        kind, value);
  };
  const auto count = [](int64_t n) { return static_cast<double>(n); };
  const auto rate = [](int64_t n, double seconds) {
    return seconds > 0 ? static_cast<double>(n) / seconds : 0.0;
  };
  add("requests_total", "counter", "answers that ended", count(f.jobs));
  add("prompt_tokens_total", "counter", "tokens of prompts, found in the cache or read",
      count(f.prompt_tokens));
  add("cached_tokens_total", "counter", "tokens of prompts that were found in the cache",
      count(f.cached_tokens));
  add("prompt_seconds_total", "counter", "time in which prompts were read", f.prompt_seconds);
  add("predicted_tokens_total", "counter", "tokens written", count(f.generated_tokens));
  add("predicted_seconds_total", "counter", "time in which answers were written",
      f.generation_seconds);
  add("prompt_tokens_per_second", "gauge", "tokens of prompts read a second, on average",
      rate(f.prompt_tokens - f.cached_tokens, f.prompt_seconds));
  add("predicted_tokens_per_second", "gauge", "tokens written a second and answer, on average",
      rate(f.generated_tokens - f.first_tokens, f.generation_seconds));
  add("draft_tokens_total", "counter", "tokens guessed and looked at", count(f.drafted_tokens));
  add("draft_tokens_accepted_total", "counter", "tokens written that were guessed",
      count(f.accepted_tokens));
  add("steps_total", "counter", "batches computed", count(f.steps));
  add("busy_seconds_total", "counter", "time in which batches were computed", f.busy_seconds);
  add("requests_processing", "gauge", "answers being written", f.running);
  add("requests_deferred", "gauge", "requests that wait", f.waiting);
  add("cache_pages", "gauge", "pages of the cache", f.pages);
  add("cache_pages_free", "gauge", "pages that hold nothing", f.free_pages);
  add("uptime_seconds", "gauge", "since the start", seconds_now() - api.start_seconds);
  reply->send(200, {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}}, std::move(text));
}

}  // namespace

void add_status(std::vector<Endpoint>& endpoints) {
  endpoints.push_back({"GET", "/health", health, true});
  endpoints.push_back({"GET", "/v1/health", health, true});
  endpoints.push_back({"GET", "/v1/models", models});
  endpoints.push_back({"GET", "/models", models});
  endpoints.push_back({"GET", "/props", props});
  endpoints.push_back({"GET", "/slots", slots});
  endpoints.push_back({"GET", "/metrics", metrics});
}

}  // namespace issun::serve
