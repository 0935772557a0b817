// /v1/responses of the OpenAI API, in the subset that needs no memory of former responses: texts,
// tools of the client, reasoning, formats, streams.
#include "serve/api.h"
#include "serve/talk.h"
#include "serve/tool_choice.h"

namespace issun::serve {

namespace {

// What of the request stands in the response again.
struct Echo {
  Json instructions, max_output_tokens, tools = Json::array(), format{{"type", "text"}};
  Json tool_choice = "auto";
  bool parallel_tool_calls = true;
  double temperature = 0, top_p = 0;
};

Json usage_of_response(const Usage& usage) {
  return {
      {"input_tokens", usage.prompt_tokens},
      {"input_tokens_details", {{"cached_tokens", usage.cached_tokens}, {"cache_write_tokens", 0}}},
      {"output_tokens", usage.generated_tokens},
      {"output_tokens_details", {{"reasoning_tokens", 0}}},
      {"total_tokens", usage.prompt_tokens + usage.generated_tokens}};
}

Json text_part(const std::string& text) {
  return {{"type", "output_text"},
          {"text", text},
          {"annotations", Json::array()},
          {"logprobs", Json::array()}};
}

class ResponseWriter : public Writer {
 public:
  ResponseWriter(const ServedModel& model, std::shared_ptr<Reply> reply, Headers headers, Echo echo)
      : model_(model),
        reply_(std::move(reply)),
        headers_(std::move(headers)),
        echo_(std::move(echo)) {}
  void failed(const ApiError& error) override { send_error(reply_, error); }

 protected:
  Json response(const char* status, Json output, Json usage, Json incomplete = nullptr) const {
    Json body{{"id", id_},
              {"object", "response"},
              {"created_at", created_},
              {"status", status},
              {"error", nullptr},
              {"incomplete_details", std::move(incomplete)},
              {"instructions", echo_.instructions},
              {"max_output_tokens", echo_.max_output_tokens},
              {"metadata", Json::object()},
              {"model", model_.id()},
              {"output", std::move(output)},
              {"parallel_tool_calls", echo_.parallel_tool_calls},
              {"previous_response_id", nullptr},
              {"reasoning", {{"effort", nullptr}, {"summary", nullptr}}},
              {"store", false},
              {"temperature", echo_.temperature},
              {"text", {{"format", echo_.format}}},
              {"tool_choice", echo_.tool_choice},
              {"tools", echo_.tools},
              {"top_p", echo_.top_p},
              {"truncation", "disabled"}};
    if (!usage.is_null()) body["usage"] = std::move(usage);
    return body;
  }
  // The whole answer.
  Json finished(const std::vector<Choice>& choices, Json output) const {
    const bool cut = std::string_view(choices[0].finish_reason()) == "length";
    return response(cut ? "incomplete" : "completed", std::move(output),
                    usage_of_response(usage_of(choices)),
                    cut ? Json{{"reason", "max_output_tokens"}} : Json());
  }
  Json message_item(const char* status, Json content) const {
    return {{"id", message_id_},
            {"type", "message"},
            {"status", status},
            {"role", "assistant"},
            {"content", std::move(content)}};
  }
  static Json reasoning_item(const std::string& id, const char* status, const std::string& text) {
    return {{"id", id},
            {"type", "reasoning"},
            {"status", status},
            {"summary", Json::array()},
            {"content", Json::array({{{"type", "reasoning_text"}, {"text", text}}})}};
  }
  static Json call_item(const std::string& id, const char* status, const chat::ToolCall& call,
                        std::string arguments) {
    return {{"id", id},           {"type", "function_call"}, {"status", status},
            {"call_id", call.id}, {"name", call.name},       {"arguments", std::move(arguments)}};
  }

  const ServedModel& model_;
  std::shared_ptr<Reply> reply_;
  const Headers headers_;
  const Echo echo_;
  const std::string id_ = new_id("resp_"), message_id_ = new_id("msg_");
  const int64_t created_ = unix_seconds();
};

class WholeResponse final : public ResponseWriter {
 public:
  using ResponseWriter::ResponseWriter;
  void delta(const Choice&, const Delta&) override {}
  void all(const std::vector<Choice>& choices) override {
    const chat::Answer& answer = choices[0].answer;
    Json output = Json::array();
    if (!answer.reasoning.empty())
      output.push_back(reasoning_item(new_id("rs_"), "completed", answer.reasoning));
    if (!answer.content.empty() || answer.calls.empty())
      output.push_back(message_item("completed", Json::array({text_part(answer.content)})));
    for (const chat::ToolCall& call : answer.calls)
      output.push_back(call_item(new_id("fc_"), "completed", call, call.arguments));
    send_json(reply_, finished(choices, std::move(output)), headers_);
  }
};

class StreamedResponse final : public ResponseWriter {
 public:
  using ResponseWriter::ResponseWriter;

  void begin() override {
    reply_->begin(200, headers_, kIdleComment);
    for (const char* type : {"response.created", "response.in_progress"})
      say(type, {{"response", response("in_progress", Json::array(), nullptr)}});
  }

  void delta(const Choice&, const Delta& delta) override {
    if (!delta.answer.reasoning.empty()) think(delta.answer.reasoning);
    if (!delta.answer.content.empty()) speak(delta.answer.content);
    for (const chat::ToolCall& call : delta.answer.calls) {
      close();
      const std::string id = new_id("fc_");
      say("response.output_item.added",
          {{"output_index", output_.size()}, {"item", call_item(id, "in_progress", call, "")}});
      say("response.function_call_arguments.delta",
          {{"item_id", id}, {"output_index", output_.size()}, {"delta", call.arguments}});
      say("response.function_call_arguments.done", {{"item_id", id},
                                                    {"name", call.name},
                                                    {"output_index", output_.size()},
                                                    {"arguments", call.arguments}});
      done(call_item(id, "completed", call, call.arguments));
    }
  }

  void all(const std::vector<Choice>& choices) override {
    if (output_.empty() && item_ == Item::None) speak("");
    close();
    Json whole = finished(choices, output_);
    const bool cut = whole["status"] == "incomplete";
    say(cut ? "response.incomplete" : "response.completed", {{"response", std::move(whole)}});
    reply_->finish();
  }

  void failed(const ApiError& error) override {
    Json failed = response("failed", output_, nullptr);
    failed["error"] = {{"code", "server_error"}, {"message", error.message}};
    say("response.failed", {{"response", std::move(failed)}});
    reply_->finish();
  }

 private:
  enum class Item { None, Reasoning, Message };

  void say(const char* type, const Json& data) {
    Json event{{"type", type}, {"sequence_number", number_++}};
    event.update(data);
    reply_->write(fmt::format("event: {}\ndata: {}\n\n", type, dump(event)));
  }
  void done(Json item) {
    say("response.output_item.done", {{"output_index", output_.size()}, {"item", item}});
    output_.push_back(std::move(item));
  }
  void open(Item item, Json first) {
    close();
    item_ = item;
    text_.clear();
    say("response.output_item.added",
        {{"output_index", output_.size()}, {"item", std::move(first)}});
  }
  Json place(const std::string& id) const {
    return {{"item_id", id}, {"output_index", output_.size()}, {"content_index", 0}};
  }
  static Json with(Json place, const char* name, Json value) {
    place[name] = std::move(value);
    return place;
  }

  void think(const std::string& text) {
    if (item_ != Item::Reasoning) {
      reasoning_id_ = new_id("rs_");
      Json first = reasoning_item(reasoning_id_, "in_progress", "");
      first["content"] = Json::array();
      open(Item::Reasoning, std::move(first));
    }
    text_ += text;
    say("response.reasoning_text.delta", with(place(reasoning_id_), "delta", text));
  }

  void speak(const std::string& text) {
    if (item_ != Item::Message) {
      open(Item::Message, message_item("in_progress", Json::array()));
      say("response.content_part.added", with(place(message_id_), "part", text_part("")));
    }
    text_ += text;
    if (text.empty()) return;
    Json event = with(place(message_id_), "delta", text);
    event["logprobs"] = Json::array();
    say("response.output_text.delta", event);
  }

  void close() {
    const Item item = item_;
    item_ = Item::None;
    if (item == Item::Reasoning) {
      say("response.reasoning_text.done", with(place(reasoning_id_), "text", text_));
      done(reasoning_item(reasoning_id_, "completed", text_));
    } else if (item == Item::Message) {
      Json event = with(place(message_id_), "text", text_);
      event["logprobs"] = Json::array();
      say("response.output_text.done", event);
      say("response.content_part.done", with(place(message_id_), "part", text_part(text_)));
      done(message_item("completed", Json::array({text_part(text_)})));
    }
  }

  Item item_ = Item::None;  // that is being written
  std::string text_, reasoning_id_;
  Json output_ = Json::array();  // items that are whole
  int number_ = 0;
};

std::string text_of_parts(const Json& content, const std::string& path) {
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array())
    throw bad_request(path, "expected a text or a list of parts, found {}", kind_of(content));
  std::string text;
  for (size_t i = 0; i < content.size(); ++i) {
    Fields part(content[i], fmt::format("{}[{}]", path, i));
    const std::string type = part.required_text("type");
    if (type != "input_text" && type != "output_text" && type != "text")
      throw bad_request(part.path_of("type"), "expected input_text, found '{}'", type);
    text += (text.empty() ? "" : "\n") + part.required_text("text");
  }
  return text;
}

// An item of the input as a message of a talk.
void add_item(const Json& given, const std::string& path, Json* messages) {
  Fields item(given, path);
  const std::string type = item.text("type").value_or("message");
  if (type == "message") {
    messages->push_back(
        {{"role", item.required_text("role")},
         {"content", text_of_parts(item.required("content"), item.path_of("content"))}});
    if (messages->back()["role"] == "developer") messages->back()["role"] = "system";
  } else if (type == "function_call") {
    const Json call{
        {"id", item.required_text("call_id")},
        {"type", "function"},
        {"function",
         {{"name", item.required_text("name")}, {"arguments", item.required_text("arguments")}}}};
    const bool goes_on = !messages->empty() && messages->back().contains("tool_calls");
    if (!goes_on)
      messages->push_back({{"role", "assistant"}, {"content", ""}, {"tool_calls", Json::array()}});
    messages->back()["tool_calls"].push_back(call);
  } else if (type == "function_call_output") {
    messages->push_back(
        {{"role", "tool"},
         {"tool_call_id", item.required_text("call_id")},
         {"content", text_of_parts(item.required("output"), item.path_of("output"))}});
  } else if (type != "reasoning") {  // what was thought before is not put to the model again
    throw bad_request(item.path_of("type"),
                      "expected message, function_call, function_call_output or reasoning, found "
                      "'{}'",
                      type);
  }
}

Json response_tools(const Json& given) {
  if (!given.is_array()) throw bad_request("tools", "expected a list, found {}", kind_of(given));
  Json tools = Json::array();
  for (size_t i = 0; i < given.size(); ++i) {
    Fields tool(given[i], fmt::format("tools[{}]", i));
    const std::string type = tool.required_text("type");
    if (type != "function")
      throw bad_request(tool.path_of("type"), "expected function, found '{}'", type);
    Json function = Json::object();
    for (const char* name : {"name", "description", "parameters"}) {
      if (const Json* value = tool.find(name)) function[name] = *value;
    }
    tool.required_text("name");
    tools.push_back({{"type", "function"}, {"function", std::move(function)}});
  }
  return tools;
}

Talk talk_of(Fields& fields, Echo* echo) {
  Talk talk;
  if (const auto instructions = fields.text("instructions")) {
    echo->instructions = *instructions;
    talk.messages.push_back({{"role", "system"}, {"content", *instructions}});
  }
  const Json& input = fields.required("input");
  if (input.is_string()) {
    talk.messages.push_back({{"role", "user"}, {"content", input}});
  } else if (input.is_array()) {
    for (size_t i = 0; i < input.size(); ++i)
      add_item(input[i], fmt::format("input[{}]", i), &talk.messages);
  } else {
    throw bad_request("input", "expected a text or a list of items, found {}", kind_of(input));
  }
  check_messages(talk.messages, "input");
  if (const Json* tools = fields.find("tools"); tools != nullptr && !tools->empty()) {
    talk.tools = response_tools(*tools);
    echo->tools = *tools;
  }
  read_tool_choice(fields, &talk);
  if (const Json* choice = fields.find("tool_choice")) echo->tool_choice = *choice;
  echo->parallel_tool_calls = !talk.calls.one;
  if (const Json* reasoning = fields.find("reasoning")) {
    if (const auto effort = Fields(*reasoning, "reasoning").text("effort"); effort)
      talk.variables = {{"reasoning_effort", *effort}};
  }
  return talk;
}

void respond(Api& api, const HttpRequest& request, const std::shared_ptr<Reply>& reply) {
  Json body = parse_body(request.body);
  Echo echo;
  // The format stands elsewhere than in chat completions.
  if (body.contains("text") && body["text"].is_object() && body["text"].contains("format")) {
    echo.format = body["text"]["format"];
    body["response_format"] = echo.format;
  }
  Fields fields(body);
  ServedModel& model = api.writing_model();
  check_model(fields, model);
  if (fields.find("previous_response_id") != nullptr || fields.find("conversation") != nullptr)
    throw ApiError{.status = 501,
                   .message = "previous_response_id: responses are not kept; send the whole input",
                   .param = "previous_response_id"};
  if (fields.boolean("background") == true)
    throw ApiError{.status = 501, .message = "background: not supported", .param = "background"};
  Asked asked = read_asked(fields, api.defaults, model);
  asked.choices = 1;
  go_on_from(model.prompt_of(talk_of(fields, &echo)), &asked);
  if (asked.request.max_tokens >= 0) echo.max_output_tokens = asked.request.max_tokens;
  echo.temperature = asked.request.sampling.temperature;
  echo.top_p = asked.request.sampling.top_p;
  const bool stream = fields.boolean("stream").value_or(false);
  fields.accept({"text", "store", "metadata", "user", "include", "truncation", "service_tier",
                 "prompt_cache_key", "safety_identifier"});
  std::shared_ptr<Writer> writer;
  if (stream) {
    writer = std::make_shared<StreamedResponse>(
        model, reply, headers_of(fields, "text/event-stream; charset=utf-8"), std::move(echo));
  } else {
    writer = std::make_shared<WholeResponse>(
        model, reply, headers_of(fields, "application/json; charset=utf-8"), std::move(echo));
  }
  std::vector<Asked> prompts;
  prompts.push_back(std::move(asked));
  answer(*api.service, std::move(prompts), reply, std::move(writer));
}

}  // namespace

void add_responses(std::vector<Endpoint>& endpoints) {
  endpoints.push_back({"POST", "/v1/responses", respond});
}

}  // namespace issun::serve
