// Ollama's API: /api/generate, /api/chat, /api/tags, /api/show, /api/embed, /api/ps, /api/version.
#include <ctime>

#include "base/clock.h"
#include "chat/jinja/json.h"
#include "serve/api.h"
#include "serve/embed_texts.h"
#include "serve/talk.h"

namespace issun::serve {

namespace {

constexpr const char* kVersion = "0.9.0";  // of the API that this follows

std::string rfc3339(int64_t seconds) {
  const std::time_t time = seconds;
  std::tm parts{};
  gmtime_r(&time, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

int64_t nanoseconds(double seconds) { return static_cast<int64_t>(seconds * 1e9); }

// "name" and "name:latest" are one.
std::string plain_name(std::string name) {
  constexpr std::string_view kLatest = ":latest";
  if (name.ends_with(kLatest)) name.resize(name.size() - kLatest.size());
  return name;
}

void check_name(Fields& fields, const std::string& id) {
  auto name = fields.text("model");
  if (!name) name = fields.text("name");
  if (!name || name->empty()) throw bad_request("model", "is missing");
  if (plain_name(*name) == id) return;
  throw ApiError{.status = 404, .message = fmt::format("model '{}' not found", *name)};
}

enum class Kind { Generate, Chat };

class OllamaWriter final : public Writer {
 public:
  OllamaWriter(Kind kind, const ServedModel& model, std::shared_ptr<Reply> reply, Headers headers,
               bool stream)
      : kind_(kind),
        model_(model),
        reply_(std::move(reply)),
        headers_(std::move(headers)),
        stream_(stream) {}

  void begin() override {
    if (stream_) reply_->begin(200, headers_, "");
  }

  void delta(const Choice&, const Delta& delta) override {
    if (!stream_ || delta.answer == chat::Answer()) return;
    Json line = said(delta.answer);
    line["done"] = false;
    reply_->write(dump(line) + "\n");
  }

  void all(const std::vector<Choice>& choices) override {
    const Choice& choice = choices[0];
    const engine::RequestStatistics& s = choice.statistics;
    Json line = said(stream_ ? chat::Answer() : choice.answer);
    line["done"] = true;
    line["done_reason"] = std::string_view(choice.finish_reason()) == "length" ? "length" : "stop";
    line["total_duration"] = nanoseconds(seconds_now() - began_);
    line["load_duration"] = 0;
    line["prompt_eval_count"] = s.prompt_tokens;
    line["prompt_eval_duration"] = nanoseconds(s.prompt_seconds);
    line["eval_count"] = s.generated_tokens;
    line["eval_duration"] = nanoseconds(s.generation_seconds);
    if (!stream_) return send_json(reply_, line, headers_);
    reply_->write(dump(line) + "\n");
    reply_->finish();
  }

  void failed(const ApiError& error) override {
    if (!stream_) return reply_->send(error.status, headers_, dump({{"error", error.message}}));
    reply_->write(dump({{"error", error.message}}) + "\n");
    reply_->finish();
  }

 private:
  Json said(const chat::Answer& answer) const {
    Json line{{"model", model_.id()}, {"created_at", rfc3339(unix_seconds())}};
    if (kind_ == Kind::Generate) {
      line["response"] = answer.content;
      if (!answer.reasoning.empty()) line["thinking"] = answer.reasoning;
      return line;
    }
    Json message{{"role", "assistant"}, {"content", answer.content}};
    if (!answer.reasoning.empty()) message["thinking"] = answer.reasoning;
    for (const chat::ToolCall& call : answer.calls) {
      // An object by the reader's promise.
      message["tool_calls"].push_back(
          {{"function",
            {{"name", call.name}, {"arguments", Json::parse(call.arguments, nullptr, false)}}}});
    }
    line["message"] = std::move(message);
    return line;
  }

  const Kind kind_;
  const ServedModel& model_;
  std::shared_ptr<Reply> reply_;
  const Headers headers_;
  const bool stream_;
  const double began_ = seconds_now();
};

// The options as the other APIs name them, so that they are read and checked there.
Json as_common(Fields& fields, const ServedModel& model) {
  Json common = Json::object();
  if (const Json* given = fields.find("options")) {
    Fields options(*given, "options");
    common = *given;
    if (const auto predict = options.integer("num_predict", -2, 1 << 30))
      common["n_predict"] = std::max<int64_t>(-1, *predict);
    common.erase("num_predict");
    const int64_t context = model.runtime().options().context;
    if (const auto wanted = options.integer("num_ctx", 1, int64_t{1} << 30); wanted > context)
      throw bad_request("options.num_ctx",
                        "expected at most {}, which the server was started with, "
                        "found {}",
                        context, *wanted);
    common.erase("num_ctx");
  }
  if (const Json* format = fields.find("format")) {
    if (format->is_object()) {
      common["json_schema"] = *format;
    } else if (*format == "json") {
      common["response_format"] = {{"type", "json_object"}};
    } else if (*format != "") {
      throw bad_request("format", "expected json or a JSON Schema, found {}", dump(*format));
    }
  }
  return common;
}

void refuse_images(Fields& fields) {
  const Json* images = fields.find("images");
  if (images != nullptr && !images->empty())
    throw bad_request(fields.path_of("images"), "this model reads text only");
}

void respond(Api& api, Kind kind, Fields& fields, Asked asked, const Fields& options,
             const std::shared_ptr<Reply>& reply) {
  const bool stream = fields.boolean("stream").value_or(true);
  fields.accept({"keep_alive", "context", "truncate", "shift"});
  Headers headers =
      headers_of(fields, stream ? "application/x-ndjson" : "application/json; charset=utf-8");
  const std::string unknown = header_list(options.left());
  if (!unknown.empty()) headers.emplace_back("X-Issun-Unknown-Options", unknown);
  asked.choices = 1;
  auto writer = std::make_shared<OllamaWriter>(kind, *api.model, reply, std::move(headers), stream);
  std::vector<Asked> prompts;
  prompts.push_back(std::move(asked));
  answer(*api.service, std::move(prompts), reply, std::move(writer));
}

void generate(Api& api, const HttpRequest& request, const std::shared_ptr<Reply>& reply) {
  const Json body = parse_body(request.body);
  Fields fields(body);
  ServedModel& model = api.writing_model();
  check_name(fields, model.id());
  refuse_images(fields);
  const std::string text = fields.text("prompt").value_or("");
  if (text.empty())  // how clients ask for a model to be loaded
    return send_json(reply, {{"model", model.id()},
                             {"created_at", rfc3339(unix_seconds())},
                             {"response", ""},
                             {"done", true},
                             {"done_reason", "load"}});
  if (const auto suffix = fields.text("suffix"); suffix && !suffix->empty())
    throw bad_request("suffix", "this model fills no gaps");
  if (const auto own = fields.text("template"); own && !own->empty())
    throw bad_request("template", "the server's own is used; raw does without");
  const Json common = as_common(fields, model);
  Fields options(common, "options");
  Asked asked = read_asked(options, api.defaults, model);
  if (fields.boolean("raw").value_or(false)) {
    asked.plain = true;
    asked.prompt = model.prompt_of(text);
  } else {
    Talk talk;
    if (const auto system = fields.text("system"); system && !system->empty())
      talk.messages.push_back({{"role", "system"}, {"content", *system}});
    talk.messages.push_back({{"role", "user"}, {"content", text}});
    talk.thinking = fields.boolean("think");
    asked.prompt = model.prompt_of(talk);
  }
  fields.accept({"system", "think"});
  respond(api, Kind::Generate, fields, std::move(asked), options, reply);
}

void answer_chat(Api& api, const HttpRequest& request, const std::shared_ptr<Reply>& reply) {
  Json body = parse_body(request.body);
  Fields fields(body);
  ServedModel& model = api.writing_model();
  check_name(fields, model.id());
  Talk talk;
  talk.messages = fields.required("messages");
  if (talk.messages.is_array() && talk.messages.empty())
    return send_json(reply, {{"model", model.id()},
                             {"created_at", rfc3339(unix_seconds())},
                             {"message", {{"role", "assistant"}, {"content", ""}}},
                             {"done", true},
                             {"done_reason", "load"}});
  check_messages(talk.messages, "messages");
  for (size_t i = 0; i < talk.messages.size(); ++i) {
    Json& message = talk.messages[i];
    Fields inner(message, fmt::format("messages[{}]", i));
    refuse_images(inner);
    if (message.contains("thinking")) {
      message["reasoning_content"] = message["thinking"];
      message.erase("thinking");
    }
  }
  if (const Json* tools = fields.find("tools"); tools != nullptr && !tools->empty())
    talk.tools = *tools;
  talk.thinking = fields.boolean("think");
  const Json common = as_common(fields, model);
  Fields options(common, "options");
  Asked asked = read_asked(options, api.defaults, model);
  asked.prompt = model.prompt_of(talk);
  respond(api, Kind::Chat, fields, std::move(asked), options, reply);
}

Json details_of(const model::Model& model) {
  return {
      {"parent_model", ""},
      {"format", "gguf"},
      {"family", model.config.architecture},
      {"families", {model.config.architecture}},
      {"parameter_size",
       fmt::format("{:.1f}M", static_cast<double>(model.weights.products_per_token(true)) * 1e-6)},
      {"quantization_level", ""}};
}

void tags(Api& api, const HttpRequest&, const std::shared_ptr<Reply>& reply) {
  Json models = Json::array();
  const auto add = [&](const std::string& id, const model::Model& model) {
    models.push_back({{"name", id + ":latest"},
                      {"model", id + ":latest"},
                      {"modified_at", rfc3339(unix_seconds())},
                      {"size", model.file.file_bytes()},
                      {"digest", ""},
                      {"details", details_of(model)}});
  };
  if (api.model != nullptr) add(api.model->id(), api.model->runtime().model());
  if (api.embedder != nullptr) add(api.embedder->id, api.embedder->embedder->model());
  send_json(reply, {{"models", std::move(models)}});
}

void show(Api& api, const HttpRequest& request, const std::shared_ptr<Reply>& reply) {
  const Json body = parse_body(request.body);
  Fields fields(body);
  ServedModel& served = api.writing_model();
  check_name(fields, served.id());
  const model::Model& model = served.runtime().model();
  Json capabilities{"completion"};
  if (served.chat_template().abilities().tools) capabilities.push_back("tools");
  if (served.chat_template().abilities().thinking_switch) capabilities.push_back("thinking");
  send_json(reply,
            {{"modelfile", ""},
             {"parameters",
              fmt::format("temperature {}\ntop_k {}\ntop_p {}", api.defaults.sampling.temperature,
                          api.defaults.sampling.top_k, api.defaults.sampling.top_p)},
             {"template", served.chat_template().source()},
             {"details", details_of(model)},
             {"model_info",
              {{"general.architecture", model.config.architecture},
               {"general.parameter_count", model.weights.products_per_token(true)},
               {model.config.architecture + ".context_length", model.config.context_length},
               {model.config.architecture + ".embedding_length", model.config.embedding_length},
               {model.config.architecture + ".block_count", model.config.layers.size()}}},
             {"capabilities", std::move(capabilities)},
             {"modified_at", rfc3339(served.created())}});
}

void running(Api& api, const HttpRequest&, const std::shared_ptr<Reply>& reply) {
  Json models = Json::array();
  if (api.model != nullptr) {
    const engine::Runtime& runtime = api.model->runtime();
    models.push_back({{"name", api.model->id() + ":latest"},
                      {"model", api.model->id() + ":latest"},
                      {"size", runtime.memory_plan().total()},
                      {"size_vram", 0},
                      {"digest", ""},
                      {"context_length", runtime.options().context}});
  }
  send_json(reply, {{"models", std::move(models)}});
}

void make_vectors(Api& api, const HttpRequest& request, const std::shared_ptr<Reply>& reply,
                  const StillWanted& still_wanted) {
  const double began = seconds_now();
  const Json body = parse_body(request.body);
  Fields fields(body);
  ServedEmbedder& served = api.embedding_model();
  check_name(fields, served.id);
  const auto found = embed_texts(served, fields.required("input"), still_wanted);
  Json vectors = Json::array();
  int tokens = 0;
  for (const engine::TextEmbedding& one : found) {
    vectors.push_back(one.vectors[0]);
    tokens += one.tokens;
  }
  fields.accept({"truncate", "keep_alive"});
  send_json(reply,
            {{"model", served.id},
             {"embeddings", std::move(vectors)},
             {"total_duration", nanoseconds(seconds_now() - began)},
             {"load_duration", 0},
             {"prompt_eval_count", tokens}},
            headers_of(fields, "application/json; charset=utf-8"));
}

void embed(Api& api, const HttpRequest& request, const std::shared_ptr<Reply>& reply) {
  answer_in_turn(make_vectors, api, request, reply);
}

void version(Api&, const HttpRequest&, const std::shared_ptr<Reply>& reply) {
  send_json(reply, {{"version", kVersion}});
}

}  // namespace

void add_ollama(std::vector<Endpoint>& endpoints) {
  endpoints.push_back({"POST", "/api/generate", generate});
  endpoints.push_back({"POST", "/api/chat", answer_chat});
  endpoints.push_back({"GET", "/api/tags", tags});
  endpoints.push_back({"POST", "/api/show", show});
  endpoints.push_back({"GET", "/api/ps", running});
  endpoints.push_back({"POST", "/api/embed", embed});
  endpoints.push_back({"GET", "/api/version", version, true});
}

}  // namespace issun::serve
