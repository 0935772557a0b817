// /v1/messages of the Anthropic API, in the subset that it shares with the others: texts, tools,
// thinking, streams.
#include "serve/api.h"
#include "serve/talk.h"
#include "serve/tool_choice.h"

namespace issun::serve {

namespace {

const char* stop_reason(const Choice& choice) {
  if (!choice.answer.calls.empty()) return "tool_use";
  switch (choice.finish) {
    case engine::Finish::MaxTokens:
    case engine::Finish::ContextFull:
      return "max_tokens";
    case engine::Finish::StopText:
      return "stop_sequence";
    default:
      return "end_turn";
  }
}

Json tool_use(const chat::ToolCall& call) {
  return {{"type", "tool_use"},
          {"id", call.id},
          {"name", call.name},
          {"input", Json::parse(call.arguments, nullptr, false)}};
}

Json usage_of_message(const Usage& usage) {
  return {{"input_tokens", usage.prompt_tokens - usage.cached_tokens},
          {"cache_creation_input_tokens", 0},
          {"cache_read_input_tokens", usage.cached_tokens},
          {"output_tokens", usage.generated_tokens}};
}

class MessageWriter : public Writer {
 public:
  MessageWriter(const ServedModel& model, std::shared_ptr<Reply> reply, Headers headers)
      : model_(model), reply_(std::move(reply)), headers_(std::move(headers)) {}
  void failed(const ApiError& error) override {
    reply_->send(error.status, headers_, dump(error_json(error)));
  }
  static Json error_json(const ApiError& error) {
    return {{"type", "error"}, {"error", to_json(error)["error"]}};
  }

 protected:
  Json message(Json content, Json reason, Json usage) const {
    return {{"id", id_},
            {"type", "message"},
            {"role", "assistant"},
            {"model", model_.id()},
            {"content", std::move(content)},
            {"stop_reason", std::move(reason)},
            {"stop_sequence", nullptr},
            {"usage", std::move(usage)}};
  }
  const ServedModel& model_;
  std::shared_ptr<Reply> reply_;
  const Headers headers_;
  const std::string id_ = new_id("msg_");
};

class WholeMessage final : public MessageWriter {
 public:
  using MessageWriter::MessageWriter;
  void delta(const Choice&, const Delta&) override {}
  void all(const std::vector<Choice>& choices) override {
    const Choice& choice = choices[0];
    Json content = Json::array();
    if (!choice.answer.reasoning.empty())
      content.push_back(
          {{"type", "thinking"}, {"thinking", choice.answer.reasoning}, {"signature", ""}});
    if (!choice.answer.content.empty() || choice.answer.calls.empty())
      content.push_back({{"type", "text"}, {"text", choice.answer.content}});
    for (const chat::ToolCall& call : choice.answer.calls) content.push_back(tool_use(call));
    send_json(reply_,
              message(std::move(content), stop_reason(choice), usage_of_message(usage_of(choices))),
              headers_);
  }
};

class StreamedMessage final : public MessageWriter {
 public:
  StreamedMessage(const ServedModel& model, std::shared_ptr<Reply> reply, Headers headers,
                  int prompt_tokens)
      : MessageWriter(model, std::move(reply), std::move(headers)), prompt_tokens_(prompt_tokens) {}

  void begin() override {
    reply_->begin(200, headers_, "event: ping\ndata: {\"type\": \"ping\"}\n\n");
    say("message_start",
        {{"message", message(Json::array(), nullptr,
                             usage_of_message(Usage{.prompt_tokens = prompt_tokens_}))}});
  }

  void delta(const Choice&, const Delta& delta) override {
    if (!delta.answer.reasoning.empty()) {
      open(Block::Thinking, {{"type", "thinking"}, {"thinking", ""}, {"signature", ""}});
      add({{"type", "thinking_delta"}, {"thinking", delta.answer.reasoning}});
    }
    if (!delta.answer.content.empty()) {
      open(Block::Text, {{"type", "text"}, {"text", ""}});
      add({{"type", "text_delta"}, {"text", delta.answer.content}});
    }
    for (const chat::ToolCall& call : delta.answer.calls) {
      close();
      Json block = tool_use(call);
      block["input"] = Json::object();
      open(Block::Tool, std::move(block));
      add({{"type", "input_json_delta"}, {"partial_json", call.arguments}});
      close();
    }
  }

  void all(const std::vector<Choice>& choices) override {
    close();
    say("message_delta",
        {{"delta", {{"stop_reason", stop_reason(choices[0])}, {"stop_sequence", nullptr}}},
         {"usage", usage_of_message(usage_of(choices))}});
    say("message_stop", Json::object());
    reply_->finish();
  }

  void failed(const ApiError& error) override {
    say("error", error_json(error));
    reply_->finish();
  }

 private:
  enum class Block { None, Thinking, Text, Tool };

  void say(const char* type, Json data) {
    Json event{{"type", type}};
    event.update(data);
    reply_->write(fmt::format("event: {}\ndata: {}\n\n", type, dump(event)));
  }
  void open(Block block, Json content) {
    if (open_ == block) return;
    close();
    open_ = block;
    say("content_block_start", {{"index", index_}, {"content_block", std::move(content)}});
  }
  void add(Json delta) {
    say("content_block_delta", {{"index", index_}, {"delta", std::move(delta)}});
  }
  void close() {
    if (open_ == Block::None) return;
    say("content_block_stop", {{"index", index_++}});
    open_ = Block::None;
  }

  const int prompt_tokens_;
  Block open_ = Block::None;
  int index_ = 0;
};

std::string text_of_blocks(const Json& content, const std::string& path) {
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array())
    throw bad_request(path, "expected a text or a list of blocks, found {}", kind_of(content));
  std::string text;
  for (size_t i = 0; i < content.size(); ++i) {
    Fields block(content[i], fmt::format("{}[{}]", path, i));
    const std::string type = block.required_text("type");
    if (type != "text") throw bad_request(block.path_of("type"), "expected text, found '{}'", type);
    text += (text.empty() ? "" : "\n") + block.required_text("text");
  }
  return text;
}

// One of its messages as those of the OpenAI API; results of tools become messages of their own.
void add_message(const Json& given, const std::string& path, Json* messages) {
  Fields fields(given, path);
  const std::string role = fields.required_text("role");
  if (role != "user" && role != "assistant")
    throw bad_request(fields.path_of("role"), "expected user or assistant, found '{}'", role);
  const Json& content = fields.required("content");
  const std::string where = fields.path_of("content");
  if (!content.is_array()) {
    messages->push_back({{"role", role}, {"content", text_of_blocks(content, where)}});
    return;
  }
  Json message{{"role", role}, {"content", ""}};
  std::string text;
  for (size_t i = 0; i < content.size(); ++i) {
    Fields block(content[i], fmt::format("{}[{}]", where, i));
    const std::string type = block.required_text("type");
    if (type == "text") {
      text += (text.empty() ? "" : "\n") + block.required_text("text");
    } else if (type == "thinking") {
      message["reasoning_content"] = block.required_text("thinking");
    } else if (type == "tool_use") {
      message["tool_calls"].push_back({{"id", block.required_text("id")},
                                       {"type", "function"},
                                       {"function",
                                        {{"name", block.required_text("name")},
                                         {"arguments", dump(block.required("input"))}}}});
    } else if (type == "tool_result") {
      const Json* result = block.find("content");
      messages->push_back(
          {{"role", "tool"},
           {"tool_call_id", block.required_text("tool_use_id")},
           {"content",
            result == nullptr ? "" : text_of_blocks(*result, block.path_of("content"))}});
    } else {
      throw bad_request(block.path_of("type"),
                        "expected text, thinking, tool_use or tool_result, found '{}'", type);
    }
  }
  message["content"] = text;
  if (!text.empty() || message.contains("tool_calls")) messages->push_back(std::move(message));
}

Json message_tools(const Json& given) {
  if (!given.is_array()) throw bad_request("tools", "expected a list, found {}", kind_of(given));
  Json tools = Json::array();
  for (size_t i = 0; i < given.size(); ++i) {
    Fields tool(given[i], fmt::format("tools[{}]", i));
    Json function{{"name", tool.required_text("name")},
                  {"parameters", tool.required("input_schema")}};
    if (const auto description = tool.text("description")) function["description"] = *description;
    tools.push_back({{"type", "function"}, {"function", std::move(function)}});
  }
  return tools;
}

Talk talk_of(Fields& fields) {
  Talk talk;
  if (const Json* system = fields.find("system"))
    talk.messages.push_back({{"role", "system"}, {"content", text_of_blocks(*system, "system")}});
  const Json& messages = fields.required("messages");
  if (!messages.is_array() || messages.empty())
    throw bad_request("messages", "expected a list of at least one message");
  for (size_t i = 0; i < messages.size(); ++i)
    add_message(messages[i], fmt::format("messages[{}]", i), &talk.messages);
  if (const Json* tools = fields.find("tools"); tools != nullptr && !tools->empty())
    talk.tools = message_tools(*tools);
  read_message_tool_choice(fields, &talk);
  if (const Json* thinking = fields.find("thinking")) {
    Fields inner(*thinking, "thinking");
    const std::string type = inner.required_text("type");
    if (type != "enabled" && type != "disabled")
      throw bad_request(inner.path_of("type"), "expected enabled or disabled, found '{}'", type);
    talk.thinking = type == "enabled";
  }
  return talk;
}

void messages(Api& api, const HttpRequest& request, const std::shared_ptr<Reply>& reply) {
  Json body = parse_body(request.body);
  if (const auto stops = body.find("stop_sequences"); stops != body.end()) {
    body["stop"] = *stops;
    body.erase("stop_sequences");
  }
  Fields fields(body);
  ServedModel& model = api.writing_model();
  check_model(fields, model);
  fields.required("max_tokens");
  Asked asked = read_asked(fields, api.defaults, model);
  asked.choices = 1;
  go_on_from(model.prompt_of(talk_of(fields)), &asked);
  const bool stream = fields.boolean("stream").value_or(false);
  fields.accept({"metadata", "service_tier"});
  std::shared_ptr<Writer> writer;
  if (stream) {
    writer = std::make_shared<StreamedMessage>(
        model, reply, headers_of(fields, "text/event-stream; charset=utf-8"),
        static_cast<int>(asked.prompt.tokens.size()));
  } else {
    writer = std::make_shared<WholeMessage>(model, reply,
                                            headers_of(fields, "application/json; charset=utf-8"));
  }
  std::vector<Asked> prompts;
  prompts.push_back(std::move(asked));
  answer(*api.service, std::move(prompts), reply, std::move(writer));
}

void count_tokens(Api& api, const HttpRequest& request, const std::shared_ptr<Reply>& reply) {
  const Json body = parse_body(request.body);
  Fields fields(body);
  ServedModel& model = api.writing_model();
  check_model(fields, model);
  const Prompt prompt = model.prompt_of(talk_of(fields));
  send_json(reply, {{"input_tokens", prompt.tokens.size()}},
            headers_of(fields, "application/json; charset=utf-8"));
}

}  // namespace

void add_messages(std::vector<Endpoint>& endpoints) {
  endpoints.push_back({"POST", "/v1/messages", messages});
  endpoints.push_back({"POST", "/v1/messages/count_tokens", count_tokens});
}

}  // namespace issun::serve
