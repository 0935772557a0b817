#include "serve/talk.h"

#include <algorithm>
#include <iterator>

#include "serve/tool_choice.h"

namespace issun::serve {

namespace {

constexpr std::string_view kRoles[] = {"system",    "developer", "user",
                                       "assistant", "tool",      "function"};

void check_content(const Json& content, const std::string& path) {
  if (content.is_string()) return;
  if (!content.is_array())
    throw bad_request(path, "expected a text or a list of parts, found {}", kind_of(content));
  for (size_t i = 0; i < content.size(); ++i) {
    Fields part(content[i], fmt::format("{}[{}]", path, i));
    const std::string type = part.required_text("type");
    if (type != "text" && type != "input_text" && type != "output_text" && type != "refusal")
      throw bad_request(part.path_of("type"),
                        "expected text, which is all this model reads, found '{}'", type);
    part.required_text(type == "refusal" ? "refusal" : "text");
  }
}

void check_tools(const Json& tools) {
  if (!tools.is_array() || tools.empty())
    throw bad_request("tools", "expected a list of tools, found {}", kind_of(tools));
  for (size_t i = 0; i < tools.size(); ++i) {
    Fields tool(tools[i], fmt::format("tools[{}]", i));
    const std::string type = tool.required_text("type");
    if (type != "function")
      throw bad_request(tool.path_of("type"), "expected function, found '{}'", type);
    Fields function(tool.required("function"), tool.path_of("function"));
    function.required_text("name");
  }
}

}  // namespace

void check_messages(const Json& messages, const std::string& path) {
  if (!messages.is_array() || messages.empty())
    throw bad_request(path, "expected a list of at least one message, found {}",
                      messages.is_array() ? "an empty one" : kind_of(messages));
  for (size_t i = 0; i < messages.size(); ++i) {
    Fields message(messages[i], fmt::format("{}[{}]", path, i));
    const std::string role = message.required_text("role");
    if (std::find(std::begin(kRoles), std::end(kRoles), role) == std::end(kRoles))
      throw bad_request(message.path_of("role"),
                        "expected system, developer, user, assistant or tool, found '{}'", role);
    const Json* content = message.find("content");
    if (content != nullptr) {
      check_content(*content, message.path_of("content"));
    } else if (message.find("tool_calls") == nullptr && message.find("function_call") == nullptr) {
      throw bad_request(message.path_of("content"), "is missing");
    }
  }
}

Talk read_talk(Fields& fields) {
  Talk talk;
  talk.messages = fields.required("messages");
  check_messages(talk.messages, fields.path_of("messages"));
  for (Json& message : talk.messages) {
    if (message["role"] == "developer") message["role"] = "system";
  }
  if (const Json* tools = fields.find("tools"); tools != nullptr && !tools->empty()) {
    check_tools(*tools);
    talk.tools = *tools;
  }
  read_tool_choice(fields, &talk);
  talk.thinking = fields.boolean("enable_thinking");
  if (const Json* variables = fields.find("chat_template_kwargs")) {
    if (!variables->is_object())
      throw bad_request("chat_template_kwargs", "expected an object, found {}",
                        kind_of(*variables));
    talk.variables = *variables;
    const auto thinking = talk.variables.find("enable_thinking");
    if (thinking != talk.variables.end() && thinking->is_boolean()) {
      talk.thinking = thinking->get<bool>();
      talk.variables.erase("enable_thinking");
    }
  }
  if (const auto effort = fields.text("reasoning_effort")) {
    if (talk.variables.is_null()) talk.variables = Json::object();
    talk.variables["reasoning_effort"] = *effort;
  }
  return talk;
}

}  // namespace issun::serve
