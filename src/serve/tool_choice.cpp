#include "serve/tool_choice.h"

#include <algorithm>

namespace issun::serve {

namespace {

bool has_tool(const Json& tools, const std::string& name) {
  return std::any_of(tools.begin(), tools.end(),
                     [&](const Json& tool) { return tool["function"]["name"] == name; });
}

// A call of any tool of these, if there are any.
void force(const std::string& path, std::vector<std::string> names, Talk* talk) {
  if (talk->tools.is_null()) throw bad_request(path, "expected tools beside it");
  talk->calls.forced = true;
  talk->calls.names = std::move(names);
}

// Of {"type": "function", "function": {"name": "f"}}, or with the name beside the type.
std::string named_tool(Fields& choice, const Talk& talk) {
  const Json* function = choice.find("function");
  std::string name = function == nullptr
                         ? choice.required_text("name")
                         : Fields(*function, choice.path_of("function")).required_text("name");
  const std::string path = choice.path_of(function == nullptr ? "name" : "function.name");
  if (!talk.tools.is_null() && !has_tool(talk.tools, name))
    throw bad_request(path, "expected the name of one of tools, found '{}'", name);
  return name;
}

void keep_only(const std::vector<std::string>& names, Json* tools) {
  Json kept = Json::array();
  for (Json& tool : *tools) {
    const std::string name = tool["function"]["name"];
    if (std::find(names.begin(), names.end(), name) != names.end()) kept.push_back(std::move(tool));
  }
  *tools = kept.empty() ? Json() : std::move(kept);
}

// {"type": "allowed_tools", "mode": "required", "tools": [...]}, or with both under allowed_tools.
void read_allowed(Fields& choice, Talk* talk) {
  const Json* wrapped = choice.find("allowed_tools");
  if (wrapped != nullptr) {
    Fields inner(*wrapped, choice.path_of("allowed_tools"));
    return read_allowed(inner, talk);
  }
  const std::string mode = choice.required_text("mode");
  if (mode != "auto" && mode != "required")
    throw bad_request(choice.path_of("mode"), "expected auto or required, found '{}'", mode);
  const Json& tools = choice.required("tools");
  if (!tools.is_array() || tools.empty())
    throw bad_request(choice.path_of("tools"), "expected a list of tools, found {}",
                      kind_of(tools));
  std::vector<std::string> names;
  for (size_t i = 0; i < tools.size(); ++i) {
    Fields tool(tools[i], fmt::format("{}[{}]", choice.path_of("tools"), i));
    names.push_back(named_tool(tool, *talk));
  }
  if (talk->tools.is_null()) throw bad_request("tool_choice", "expected tools beside it");
  keep_only(names, &talk->tools);
  if (mode == "required") force("tool_choice", {}, talk);
}

}  // namespace

void read_tool_choice(Fields& fields, Talk* talk) {
  talk->calls.one = fields.boolean("parallel_tool_calls") == false;
  const Json* given = fields.find("tool_choice");
  if (given == nullptr) return;
  const std::string path = fields.path_of("tool_choice");
  if (given->is_string()) {
    const std::string word = *given;
    if (word == "none") {
      talk->tools = nullptr;
    } else if (word == "required") {
      force(path, {}, talk);
    } else if (word != "auto") {
      throw bad_request(path, "expected none, auto, required or an object, found '{}'", word);
    }
    return;
  }
  Fields choice(*given, path);
  const std::string type = choice.required_text("type");
  if (type == "function") {
    force(path, {named_tool(choice, *talk)}, talk);
  } else if (type == "allowed_tools") {
    read_allowed(choice, talk);
  } else {
    throw bad_request(choice.path_of("type"), "expected function or allowed_tools, found '{}'",
                      type);
  }
}

void read_message_tool_choice(Fields& fields, Talk* talk) {
  const Json* given = fields.find("tool_choice");
  if (given == nullptr) return;
  Fields choice(*given, fields.path_of("tool_choice"));
  const std::string type = choice.required_text("type");
  talk->calls.one = choice.boolean("disable_parallel_tool_use").value_or(false);
  if (type == "none") {
    talk->tools = nullptr;
  } else if (type == "any") {
    force("tool_choice", {}, talk);
  } else if (type == "tool") {
    force("tool_choice", {named_tool(choice, *talk)}, talk);
  } else if (type != "auto") {
    throw bad_request(choice.path_of("type"), "expected auto, any, tool or none, found '{}'", type);
  }
}

}  // namespace issun::serve
