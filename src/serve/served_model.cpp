#include "serve/served_model.h"

#include <algorithm>

#include "base/clock.h"
#include "chat/jinja/json.h"
#include "chat/known_templates.h"
#include "chat/prompt_tokens.h"
#include "serve/api_error.h"

namespace issun::serve {

namespace {

using chat::jinja::Value;

constexpr size_t kKeptGrammars = 32;

Value to_value(const Json& json, const std::string& param) {
  auto value = chat::jinja::parse_json(dump(json));
  if (!value) throw bad_request(param, "{}", value.error().message);
  return std::move(*value);
}

// Takes the text of a last message by the assistant out of the talk.
std::string take_prefill(Json* messages) {
  if (messages->empty()) return {};
  const Json& last = messages->back();
  if (last.value("role", "") != "assistant" || last.contains("tool_calls")) return {};
  const auto content = last.find("content");
  if (content == last.end() || !content->is_string()) return {};
  std::string text = content->get<std::string>();
  messages->erase(messages->size() - 1);
  return text;
}

}  // namespace

Result<std::unique_ptr<ServedModel>> ServedModel::create(engine::Runtime& runtime,
                                                         ServedModelOptions options) {
  std::string source = options.chat_template.value_or(runtime.model().chat_template);
  const bool guess = source.empty();
  if (guess) source = TRY(chat::template_named("chatml"));
  auto parsed = chat::ChatTemplate::parse(std::move(source));
  if (!parsed) return fail("chat template: {}", parsed.error().message);
  std::unique_ptr<ServedModel> model(
      new ServedModel(runtime, std::move(options), std::move(*parsed)));
  model->template_is_a_guess_ = guess;
  return model;
}

ServedModel::ServedModel(engine::Runtime& runtime, ServedModelOptions options,
                         chat::ChatTemplate with)
    : runtime_(runtime),
      options_(std::move(options)),
      template_(std::move(with)),
      created_(unix_seconds()),
      adapters_(options_.adapters) {}

std::vector<ServedAdapter> ServedModel::adapters() const {
  const std::lock_guard lock(mutex_);
  return adapters_;
}

void ServedModel::scale_adapters(const std::vector<float>& scales) {
  const std::lock_guard lock(mutex_);
  for (size_t i = 0; i < adapters_.size(); ++i) adapters_[i].scale = scales[i];
}

Prompt ServedModel::prompt_of(const Talk& talk) {
  Json messages = talk.messages;
  const std::string prefill = talk.generate ? take_prefill(&messages) : "";
  chat::ChatInput input;
  input.messages = to_value(messages, "messages");
  if (!talk.tools.is_null()) {
    if (!template_.abilities().tools)
      throw bad_request("tools", "this model's chat template has no place for tools");
    input.tools = to_value(talk.tools, "tools");
  }
  const bool can_switch = template_.abilities().thinking_switch;
  if (talk.thinking == true && !can_switch)
    throw bad_request("enable_thinking", "this model's chat template has no switch for thinking");
  // What never thinks need not be told not to.
  if (can_switch) input.enable_thinking = talk.thinking;
  input.add_generation_prompt = talk.generate;
  for (const auto& [name, value] : talk.variables.items())
    input.variables.emplace_back(name, to_value(value, "chat_template_kwargs." + name));
  chat::name_text_ends(tokenizer(), &input);
  auto made = template_.apply(input);
  if (!made) throw bad_request("messages", "{}", made.error().message);
  if (!prefill.empty()) {
    made->input.push_back({made->text.size(), made->text.size() + prefill.size()});
    made->text += prefill;
  }
  Prompt prompt;
  prompt.format = chat::answer_format(template_, input, made->text);
  auto tokens = chat::encode_prompt(tokenizer(), *made);
  if (!tokens) throw bad_request("messages", "{}", tokens.error().message);
  prompt.tokens = std::move(*tokens);
  for (const std::string& mark : prompt.format.marks()) {
    const tokenizer::Token token = tokenizer().find(mark);
    if (token != tokenizer::kNoToken) prompt.shown_tokens.push_back(token);
  }
  prompt.drop_leading_space = tokenizer().model() == "llama" && prefill.empty();
  prompt.text = std::move(made->text);
  prompt.one_call = talk.calls.one;
  // A prompt that fills the context is refused anyway: no grammar is made ready for it.
  const auto length = static_cast<int64_t>(prompt.tokens.size());
  if (talk.calls.forced && length < runtime_.options().context)
    prompt.grammar = grammar_of_calls(talk, input, prompt);
  return prompt;
}

Prompt ServedModel::prompt_of(const std::string& text) const {
  Prompt prompt;
  prompt.text = text;
  auto tokens = tokenizer().encode(text);
  if (!tokens) throw bad_request("prompt", "{}", tokens.error().message);
  prompt.tokens = std::move(*tokens);
  prompt.drop_leading_space = text.empty() && tokenizer().model() == "llama";
  return prompt;
}

Prompt ServedModel::prompt_of(std::vector<int32_t> tokens) const {
  Prompt prompt;
  prompt.tokens = std::move(tokens);
  return prompt;
}

std::shared_ptr<const grammar::Grammar> ServedModel::compiled(
    std::string source, const std::string& param,
    const std::function<Result<grammar::Grammar>()>& compile) {
  const auto is_it = [&](const Compiled& entry) { return entry.source == source; };
  {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(grammars_.begin(), grammars_.end(), is_it);
    if (found != grammars_.end()) {
      grammars_.splice(grammars_.begin(), grammars_, found);
      return found->grammar;
    }
  }
  Result<grammar::Grammar> made = compile();
  if (!made) {
    const std::string& message = made.error().message;
    // Of one among several schemas it names the place itself.
    if (message.starts_with(param + "["))
      throw ApiError{.message = message, .param = message.substr(0, message.find(':'))};
    throw bad_request(param, "{}", message);
  }
  auto shared = std::make_shared<const grammar::Grammar>(std::move(*made));
  const std::lock_guard lock(mutex_);
  grammars_.push_front({std::move(source), shared});
  if (grammars_.size() > kKeptGrammars) grammars_.pop_back();
  return shared;
}

std::shared_ptr<const grammar::Grammar> ServedModel::grammar_of_schema(const Json& schema,
                                                                       const std::string& param) {
  const std::string text = dump(schema);
  return compiled("schema " + text, param,
                  [&] { return grammar::Grammar::from_json_schema(text); });
}

std::shared_ptr<const grammar::Grammar> ServedModel::grammar_of_gbnf(const std::string& gbnf,
                                                                     const std::string& param) {
  return compiled("gbnf " + gbnf, param,
                  [&] { return grammar::Grammar::from_gbnf(gbnf, &tokenizer()); });
}

std::string ServedModel::text_of(int32_t token) const {
  std::string text;
  tokenizer().append_piece(token, true, text);
  return text;
}

}  // namespace issun::serve
