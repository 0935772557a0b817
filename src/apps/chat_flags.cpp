#include "apps/chat_flags.h"

#include "apps/commands.h"
#include "base/file.h"
#include "chat/jinja/json.h"
#include "chat/known_templates.h"

namespace issun::apps {

namespace {

using chat::jinja::Value;

Result<Value> read_json(const char* what, const std::string& text) {
  auto value = chat::jinja::parse_json(text);
  if (!value) return fail("{}: {}", what, value.error().message);
  return value;
}

// A list of tools as the OpenAI API has them, or the object that holds it under "tools".
Result<Value> read_tools(const std::string& path) {
  Value tools = TRY(read_json(path.c_str(), TRY(read_text(path))));
  if (tools.is_dict()) {
    const Value* inner = tools.entries().find("tools");
    if (inner != nullptr) tools = Value(*inner);
  }
  const size_t count = chat::signatures_of(tools).size();
  if (!tools.is_sequence() || count != tools.items().values.size() || count == 0)
    return fail("{}: expected a list of tools, each with a function and its name", path);
  return tools;
}

}  // namespace

void ChatFlags::add(CLI::App& command) {
  command.add_option("--system,--system-prompt", system_,
                     "what the model is told before the talk; also -sys");
  auto* raw =
      command.add_flag("--raw", raw_, "continue the text even if the model has a chat template");
  auto* given = command.add_option(
      "--chat-template", template_,
      "in place of the model's own: Jinja, or a name: " + chat::known_template_names());
  auto* file = command.add_option("--chat-template-file", template_file_, "read it from a file");
  auto* variables = command.add_option("--chat-template-kwargs", variables_,
                                       "a JSON object of further variables for the template");
  auto* tools = command.add_option("--tools", tools_,
                                   "a JSON file: tools the model may call, as in the OpenAI API");
  auto* thinking =
      command.add_option("--reasoning,--think", thinking_, "whether the model thinks first")
          ->check(CLI::IsMember({"on", "off", "auto"}))
          ->capture_default_str();
  command.add_flag("--hide-thinking", hide_thinking_, "do not show what the model thinks first")
      ->excludes(raw);
  file->excludes(given);
  for (CLI::Option* flag : {given, file, variables, tools, thinking}) flag->excludes(raw);
  for (CLI::Option* flag : {given, file, variables, tools}) flag->check(expect_text);
}

Result<engine::ConversationOptions> ChatFlags::read() const {
  engine::ConversationOptions options;
  options.system = system_;
  options.raw = raw_;
  if (!template_.empty()) options.chat_template = TRY(chat::template_named(template_));
  if (!template_file_.empty()) options.chat_template = TRY(read_text(template_file_));
  if (!tools_.empty()) options.tools = TRY(read_tools(tools_));
  if (thinking_ != "auto") options.thinking = thinking_ == "on";
  if (!variables_.empty()) {
    const Value variables = TRY(read_json("--chat-template-kwargs", variables_));
    if (!variables.is_dict()) return fail("--chat-template-kwargs: expected an object");
    for (const auto& [name, value] : variables.entries().entries())
      options.variables.emplace_back(name.text(), value);
  }
  return options;
}

}  // namespace issun::apps
