// /v1/completions of the OpenAI API.
#include "serve/api.h"

namespace issun::serve {

namespace {

Json logprobs_json(const ServedModel& model, const std::vector<TokenChoice>& tokens,
                   size_t* offset) {
  Json texts = Json::array(), chosen = Json::array(), top = Json::array(), offsets = Json::array();
  for (const TokenChoice& token : tokens) {
    const std::string text = model.text_of(token.token);
    texts.push_back(text);
    chosen.push_back(token.probabilities.chosen);
    offsets.push_back(*offset);
    *offset += text.size();
    Json likely = Json::object();
    for (const engine::TokenProbability& one : token.probabilities.before)
      likely[model.text_of(one.token)] = one.log_probability;
    top.push_back(std::move(likely));
  }
  return {{"tokens", std::move(texts)},
          {"token_logprobs", std::move(chosen)},
          {"top_logprobs", std::move(top)},
          {"text_offset", std::move(offsets)}};
}

struct How {
  bool logprobs = false, usage = false;
  std::vector<std::string> echo;  // by choice; empty: nothing is
  Headers headers;
};

class CompletionWriter : public Writer {
 public:
  CompletionWriter(const ServedModel& model, std::shared_ptr<Reply> reply, How how)
      : model_(model), reply_(std::move(reply)), how_(std::move(how)) {}

  void failed(const ApiError& error) override { send_error(reply_, error); }

 protected:
  Json frame() const {
    return {{"id", id_},
            {"object", "text_completion"},
            {"created", created_},
            {"model", model_.id()},
            {"system_fingerprint", "issun"}};
  }
  std::string echo_of(const Choice& choice) const {
    const auto index = static_cast<size_t>(choice.index);
    return index < how_.echo.size() ? how_.echo[index] : std::string();
  }
  Json choice_json(const Choice& choice, std::string text, const std::vector<TokenChoice>& tokens,
                   size_t* offset) const {
    return {{"text", std::move(text)},
            {"index", choice.index},
            {"logprobs", how_.logprobs ? logprobs_json(model_, tokens, offset) : Json()},
            {"finish_reason", choice.done ? Json(choice.finish_reason()) : Json()}};
  }

  const ServedModel& model_;
  std::shared_ptr<Reply> reply_;
  const How how_;
  const std::string id_ = new_id("cmpl-");
  const int64_t created_ = unix_seconds();
};

class WholeCompletion final : public CompletionWriter {
 public:
  using CompletionWriter::CompletionWriter;
  void delta(const Choice&, const Delta&) override {}
  void all(const std::vector<Choice>& choices) override {
    Json body = frame();
    body["choices"] = Json::array();
    for (const Choice& choice : choices) {
      const std::string echo = echo_of(choice);
      size_t offset = echo.size();
      body["choices"].push_back(choice_json(choice, echo + choice.text, choice.tokens, &offset));
    }
    const Usage usage = usage_of(choices);
    body["usage"] = usage_json(usage);
    body["timings"] = timings_json(usage);
    send_json(reply_, body, how_.headers);
  }
};

class StreamedCompletion final : public CompletionWriter {
 public:
  using CompletionWriter::CompletionWriter;
  void begin() override { reply_->begin(200, how_.headers, kIdleComment); }
  void delta(const Choice& choice, const Delta& delta) override {
    const auto index = static_cast<size_t>(choice.index);
    if (offsets_.size() <= index) offsets_.resize(index + 1);
    std::string text;
    if (!offsets_[index].begun) {
      text = echo_of(choice);
      offsets_[index] = {true, text.size()};
    }
    text += delta.text;
    Json chunk = frame();
    chunk["choices"] =
        Json::array({choice_json(choice, std::move(text), delta.tokens, &offsets_[index].offset)});
    reply_->write(event_of(chunk));
  }
  void all(const std::vector<Choice>& choices) override {
    end_stream(*reply_, choices, how_.usage, frame());
  }

  void failed(const ApiError& error) override { fail_stream(*reply_, error); }

 private:
  struct Place {
    bool begun = false;
    size_t offset = 0;
  };
  std::vector<Place> offsets_;  // by choice
};

constexpr size_t kMostPrompts = 1024;  // times n

bool is_tokens(const Json& value) {
  if (!value.is_array() || value.empty()) return false;
  for (const Json& one : value) {
    if (!one.is_number_integer()) return false;
  }
  return true;
}

Prompt one_prompt(const ServedModel& model, const Json& value, const std::string& path) {
  if (value.is_string()) return model.prompt_of(value.get<std::string>());
  if (is_tokens(value)) {
    std::vector<int32_t> tokens;
    for (const Json& one : value) {
      const auto token = one.get<int64_t>();
      if (token < 0 || token >= model.tokenizer().vocabulary_size())
        throw bad_request(path, "expected tokens from 0 to {}, found {}",
                          model.tokenizer().vocabulary_size() - 1, token);
      tokens.push_back(static_cast<int32_t>(token));
    }
    Prompt prompt = model.prompt_of(std::move(tokens));
    prompt.text = model.tokenizer().decode(prompt.tokens, true);
    return prompt;
  }
  throw bad_request(path, "expected a text or a list of tokens, found {}", kind_of(value));
}

std::vector<Prompt> read_prompts(Fields& fields, const ServedModel& model, int choices) {
  const Json& value = fields.required("prompt");
  const std::string path = fields.path_of("prompt");
  std::vector<Prompt> prompts;
  if (!value.is_array() || is_tokens(value)) {
    prompts.push_back(one_prompt(model, value, path));
    return prompts;
  }
  if (value.size() > kMostPrompts / static_cast<size_t>(choices))
    throw bad_request(path, "expected at most {} answers at once, found {} prompts with n = {}",
                      kMostPrompts, value.size(), choices);
  for (size_t i = 0; i < value.size(); ++i)
    prompts.push_back(one_prompt(model, value[i], fmt::format("{}[{}]", path, i)));
  if (prompts.empty()) throw bad_request(path, "expected at least one text");
  return prompts;
}

void complete(Api& api, const HttpRequest& request, const std::shared_ptr<Reply>& reply) {
  const Json body = parse_body(request.body);
  Fields fields(body);
  ServedModel& model = api.writing_model();
  check_model(fields, model);
  Asked pattern = read_asked(fields, api.defaults, model);
  pattern.plain = true;
  How how;
  if (const auto n = fields.integer("logprobs", 0, 20)) {
    how.logprobs = true;
    pattern.request.sampling.n_probs = std::max(1, static_cast<int>(*n));
  }
  if (fields.find("suffix") != nullptr)
    throw ApiError{.status = 501, .message = "suffix: not supported", .param = "suffix"};
  if (const auto best = fields.integer("best_of", 1, 64); best && *best != pattern.choices)
    throw ApiError{.status = 501, .message = "best_of: expected as many as n", .param = "best_of"};
  const bool echo = fields.boolean("echo").value_or(false);
  const bool stream = fields.boolean("stream").value_or(false);
  if (const Json* options = fields.find("stream_options"))
    how.usage = Fields(*options, "stream_options").boolean("include_usage").value_or(false);
  fields.accept({"user", "cache_prompt"});
  std::vector<Asked> prompts;
  for (Prompt& prompt : read_prompts(fields, model, pattern.choices)) {
    for (int i = 0; echo && i < pattern.choices; ++i) how.echo.push_back(prompt.text);
    prompts.push_back(pattern);
    prompts.back().prompt = std::move(prompt);
  }
  how.headers = headers_of(
      fields, stream ? "text/event-stream; charset=utf-8" : "application/json; charset=utf-8");
  std::shared_ptr<Writer> writer;
  if (stream) {
    writer = std::make_shared<StreamedCompletion>(model, reply, std::move(how));
  } else {
    writer = std::make_shared<WholeCompletion>(model, reply, std::move(how));
  }
  answer(*api.service, std::move(prompts), reply, std::move(writer));
}

}  // namespace

void add_completions(std::vector<Endpoint>& endpoints) {
  endpoints.push_back({"POST", "/v1/completions", complete});
  endpoints.push_back({"POST", "/completions", complete});
}

}  // namespace issun::serve
