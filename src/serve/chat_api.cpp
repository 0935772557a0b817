// /v1/chat/completions of the OpenAI API.
#include "serve/api.h"
#include "serve/talk.h"

namespace issun::serve {

namespace {

Json logprob_json(const ServedModel& model, int32_t token, double log_probability) {
  const std::string text = model.text_of(token);
  Json bytes = Json::array();
  for (const unsigned char byte : text) bytes.push_back(byte);
  return {{"token", text}, {"logprob", log_probability}, {"bytes", std::move(bytes)}};
}

Json logprobs_json(const ServedModel& model, const std::vector<TokenChoice>& tokens) {
  Json content = Json::array();
  for (const TokenChoice& token : tokens) {
    Json entry = logprob_json(model, token.token, token.probabilities.chosen);
    entry["top_logprobs"] = Json::array();
    for (const engine::TokenProbability& one : token.probabilities.before)
      entry["top_logprobs"].push_back(logprob_json(model, one.token, one.log_probability));
    content.push_back(std::move(entry));
  }
  return {{"content", std::move(content)}, {"refusal", nullptr}};
}

class ChatWriter : public Writer {
 public:
  ChatWriter(const ServedModel& model, std::shared_ptr<Reply> reply, Headers headers, bool logprobs)
      : model_(model),
        reply_(std::move(reply)),
        headers_(std::move(headers)),
        logprobs_(logprobs) {}

  void failed(const ApiError& error) override { send_error(reply_, error); }

 protected:
  Json frame(const char* object) const {
    return {{"id", id_},
            {"object", object},
            {"created", created_},
            {"model", model_.id()},
            {"system_fingerprint", "issun"}};
  }

  const ServedModel& model_;
  std::shared_ptr<Reply> reply_;
  Headers headers_;
  const bool logprobs_;
  const std::string id_ = new_id("chatcmpl-");
  const int64_t created_ = unix_seconds();
};

class WholeChat final : public ChatWriter {
 public:
  using ChatWriter::ChatWriter;
  void delta(const Choice&, const Delta&) override {}
  void all(const std::vector<Choice>& choices) override {
    Json body = frame("chat.completion");
    body["choices"] = Json::array();
    for (const Choice& choice : choices) {
      const bool silent = choice.answer.content.empty() && !choice.answer.calls.empty();
      Json message{{"role", "assistant"},
                   {"content", silent ? Json() : Json(choice.answer.content)},
                   {"refusal", nullptr}};
      if (!choice.answer.reasoning.empty()) message["reasoning_content"] = choice.answer.reasoning;
      for (const chat::ToolCall& call : choice.answer.calls)
        message["tool_calls"].push_back(to_json(call));
      body["choices"].push_back(
          {{"index", choice.index},
           {"message", std::move(message)},
           {"logprobs", logprobs_ ? logprobs_json(model_, choice.tokens) : Json()},
           {"finish_reason", choice.finish_reason()}});
    }
    const Usage usage = usage_of(choices);
    body["usage"] = usage_json(usage);
    body["timings"] = timings_json(usage);
    send_json(reply_, body, headers_);
  }
};

class StreamedChat final : public ChatWriter {
 public:
  StreamedChat(const ServedModel& model, std::shared_ptr<Reply> reply, Headers headers,
               bool logprobs, bool usage)
      : ChatWriter(model, std::move(reply), std::move(headers), logprobs), usage_(usage) {}

  void begin() override { reply_->begin(200, headers_, kIdleComment); }

  void delta(const Choice& choice, const Delta& delta) override {
    if (begun_.size() <= static_cast<size_t>(choice.index))
      begun_.resize(static_cast<size_t>(choice.index) + 1);
    Json said = Json::object();
    if (!begun_[static_cast<size_t>(choice.index)]) {
      begun_[static_cast<size_t>(choice.index)] = true;
      say(choice, {{"role", "assistant"}, {"content", ""}}, {}, nullptr);
    }
    if (!delta.answer.reasoning.empty()) said["reasoning_content"] = delta.answer.reasoning;
    if (!delta.answer.content.empty()) said["content"] = delta.answer.content;
    const size_t before = choice.answer.calls.size() - delta.answer.calls.size();
    for (size_t i = 0; i < delta.answer.calls.size(); ++i) {
      Json call = to_json(delta.answer.calls[i]);
      call["index"] = before + i;
      said["tool_calls"].push_back(std::move(call));
    }
    if (!said.empty() || !delta.tokens.empty()) say(choice, std::move(said), delta.tokens, nullptr);
    if (choice.done) say(choice, Json::object(), {}, choice.finish_reason());
  }

  void all(const std::vector<Choice>& choices) override {
    end_stream(*reply_, choices, usage_, frame("chat.completion.chunk"));
  }

  void failed(const ApiError& error) override { fail_stream(*reply_, error); }

 private:
  void say(const Choice& choice, Json delta, const std::vector<TokenChoice>& tokens,
           const char* finish) {
    Json chunk = frame("chat.completion.chunk");
    chunk["choices"] = Json::array(
        {{{"index", choice.index},
          {"delta", std::move(delta)},
          {"logprobs", logprobs_ && !tokens.empty() ? logprobs_json(model_, tokens) : Json()},
          {"finish_reason", finish != nullptr ? Json(finish) : Json()}}});
    reply_->write(event_of(chunk));
  }

  const bool usage_;
  std::vector<bool> begun_;  // by choice
};

void complete_chat(Api& api, const HttpRequest& request, const std::shared_ptr<Reply>& reply) {
  const Json body = parse_body(request.body);
  Fields fields(body);
  ServedModel& model = api.writing_model();
  check_model(fields, model);
  Asked asked = read_asked(fields, api.defaults, model);
  go_on_from(model.prompt_of(read_talk(fields)), &asked);
  const bool logprobs = fields.boolean("logprobs").value_or(false);
  const auto top = fields.integer("top_logprobs", 0, 20);
  if (top && !logprobs) throw bad_request("top_logprobs", "expected logprobs: true beside it");
  // One more than none, so that the chosen token's own is noted.
  if (logprobs) asked.request.sampling.n_probs = std::max(1, static_cast<int>(top.value_or(0)));
  const bool stream = fields.boolean("stream").value_or(false);
  bool usage = false;
  if (const Json* options = fields.find("stream_options")) {
    if (!stream) throw bad_request("stream_options", "expected stream: true beside it");
    usage = Fields(*options, "stream_options").boolean("include_usage").value_or(false);
  }
  fields.accept({"user", "store", "metadata", "service_tier", "safety_identifier",
                 "prompt_cache_key", "cache_prompt"});
  std::shared_ptr<Writer> writer;
  if (stream) {
    Headers headers = headers_of(fields, "text/event-stream; charset=utf-8");
    headers.emplace_back("Cache-Control", "no-cache");
    writer = std::make_shared<StreamedChat>(model, reply, std::move(headers), logprobs, usage);
  } else {
    writer = std::make_shared<WholeChat>(
        model, reply, headers_of(fields, "application/json; charset=utf-8"), logprobs);
  }
  std::vector<Asked> prompts;
  prompts.push_back(std::move(asked));
  answer(*api.service, std::move(prompts), reply, std::move(writer));
}

}  // namespace

void add_chat(std::vector<Endpoint>& endpoints) {
  endpoints.push_back({"POST", "/v1/chat/completions", complete_chat});
  endpoints.push_back({"POST", "/chat/completions", complete_chat});
}

}  // namespace issun::serve
