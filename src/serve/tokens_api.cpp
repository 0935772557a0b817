// Texts to tokens and back, and talks to prompts, as llama.cpp's server has them.
#include "serve/api.h"
#include "serve/talk.h"

namespace issun::serve {

namespace {

void tokenize(Api& api, const HttpRequest& request, const std::shared_ptr<Reply>& reply) {
  const Json body = parse_body(request.body);
  Fields fields(body);
  const ServedModel& model = api.writing_model();
  const std::string text = fields.required_text("content");
  const tokenizer::EncodeOptions options{
      .add_special = fields.boolean("add_special").value_or(false),
      .parse_special = fields.boolean("parse_special").value_or(true)};
  const bool pieces = fields.boolean("with_pieces").value_or(false);
  const auto tokens = model.tokenizer().encode(text, options);
  if (!tokens) throw bad_request("content", "{}", tokens.error().message);
  Json list = Json::array();
  for (const int32_t token : *tokens) {
    if (!pieces) {
      list.push_back(token);
      continue;
    }
    list.push_back({{"id", token}, {"piece", model.text_of(token)}});
  }
  send_json(reply, {{"tokens", std::move(list)}},
            headers_of(fields, "application/json; charset=utf-8"));
}

void detokenize(Api& api, const HttpRequest& request, const std::shared_ptr<Reply>& reply) {
  const Json body = parse_body(request.body);
  Fields fields(body);
  const ServedModel& model = api.writing_model();
  const Json& list = fields.required("tokens");
  if (!list.is_array()) throw bad_request("tokens", "expected a list, found {}", kind_of(list));
  std::vector<int32_t> tokens;
  for (const Json& one : list) {
    const int64_t token = one.is_number_integer() ? one.get<int64_t>() : -1;
    if (token < 0 || token >= model.tokenizer().vocabulary_size())
      throw bad_request(fmt::format("tokens[{}]", tokens.size()), "expected a number from 0 to {}",
                        model.tokenizer().vocabulary_size() - 1);
    tokens.push_back(static_cast<int32_t>(token));
  }
  send_json(reply, {{"content", model.tokenizer().decode(tokens, true)}},
            headers_of(fields, "application/json; charset=utf-8"));
}

void apply_template(Api& api, const HttpRequest& request, const std::shared_ptr<Reply>& reply) {
  const Json body = parse_body(request.body);
  Fields fields(body);
  ServedModel& model = api.writing_model();
  Talk talk = read_talk(fields);
  talk.generate = fields.boolean("add_generation_prompt").value_or(true);
  const Prompt prompt = model.prompt_of(talk);
  send_json(reply, {{"prompt", prompt.text}, {"n_tokens", prompt.tokens.size()}},
            headers_of(fields, "application/json; charset=utf-8"));
}

}  // namespace

void add_tokens(std::vector<Endpoint>& endpoints) {
  endpoints.push_back({"POST", "/tokenize", tokenize});
  endpoints.push_back({"POST", "/detokenize", detokenize});
  endpoints.push_back({"POST", "/apply-template", apply_template});
}

}  // namespace issun::serve
