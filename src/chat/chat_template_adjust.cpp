#include "chat/chat_template_adjust.h"

#include "chat/jinja/eval.h"
#include "chat/jinja/json.h"
#include "chat/search.h"

namespace issun::chat {

namespace {

using jinja::Dict;
using jinja::Value;

Value message(std::string_view role, Value content) {
  return Value::dict({{"role", Value(role)}, {"content", std::move(content)}});
}

Value text_part(Value text) { return Value::dict({{"type", "text"}, {"text", std::move(text)}}); }

// A conversation with one tool call; `arguments` as the template may want them.
Value tool_conversation(Value arguments) {
  const Value function = Value::dict({{"name", "probe"}, {"arguments", std::move(arguments)}});
  const Value call =
      Value::dict({{"id", "call00001"}, {"type", "function"}, {"function", function}});
  Value assistant = message("assistant", "");
  assistant.entries().set("tool_calls", Value::list({call}));
  Value tool = message("tool", "ok");
  tool.entries().set("tool_call_id", "call00001");
  tool.entries().set("name", "probe");
  return Value::list(
      {message("user", "u"), assistant, tool, message("assistant", "a"), message("user", "v")});
}

Value tool_definitions(const char* name) {
  const Value parameters =
      Value::dict({{"type", "object"}, {"properties", Value::dict()}, {"required", Value::list()}});
  const Value function =
      Value::dict({{"name", name}, {"description", "probe"}, {"parameters", parameters}});
  return Value::list({Value::dict({{"type", "function"}, {"function", function}})});
}

// The rendered text; empty when the template refuses.
std::string rendered(const ChatTemplate& chat, const Value& messages, const Value& tools = {},
                     std::optional<bool> thinking = {}) {
  jinja::Limits limits;
  limits.steps = 1'000'000;
  limits.bytes = int64_t{16} << 20;
  ChatInput input;
  input.messages = messages;
  input.tools = tools;
  input.enable_thinking = thinking;
  input.bos_token = "<s>";
  input.eos_token = "</s>";
  input.clock = 0;
  return chat.render(input, limits).value_or("");
}

// A template that knows texts only fails on an object, or prints it as Python does, in single
// quotes.
bool takes_object_arguments(const ChatTemplate& chat) {
  const Value object = Value::dict({{"mark_key", "mark_value"}});
  const std::string text = rendered(chat, tool_conversation(object), tool_definitions("probe"));
  return has(text, "mark_value") && !has(text, "'mark_key'");
}

// The text of a list of text parts; nothing when there are others, such as images.
std::optional<std::string> joined_parts(const Value& parts) {
  std::string text;
  for (const Value& part : parts.items().values) {
    const Value* type = part.is_dict() ? part.entries().find("type") : nullptr;
    const Value* piece = part.is_dict() ? part.entries().find("text") : nullptr;
    const bool plain = type != nullptr && type->is_string() && type->text() == "text" &&
                       piece != nullptr && piece->is_string();
    if (!plain) return std::nullopt;
    if (!text.empty()) text += '\n';
    text += piece->text();
  }
  return text;
}

Value copy_of(const Value& dict) {
  Value copy = Value::dict();
  for (const auto& [key, value] : dict.entries().entries()) copy.entries().set(key, value);
  return copy;
}

Result<Value> converted_arguments(const Value& arguments, bool to_object) {
  if (to_object && arguments.is_string()) {
    const Result<Value> object = jinja::parse_json(arguments.text());
    return object && object->is_dict() ? *object : arguments;  // broken JSON stays a text
  }
  if (to_object || !arguments.is_dict()) return arguments;
  jinja::Interpreter runtime({}, 0);
  jinja::TextSink sink(runtime);
  TRY(jinja::append_json(sink, arguments, {}));
  return std::move(sink).value();
}

Result<Value> converted_calls(const Value& calls, bool to_object, ChatChanges* changes) {
  std::vector<Value> converted;
  for (const Value& call : calls.items().values) {
    const Value* function = call.is_dict() ? call.entries().find("function") : nullptr;
    const Value* arguments = function != nullptr && function->is_dict()
                                 ? function->entries().find("arguments")
                                 : nullptr;
    if (arguments == nullptr) {
      converted.push_back(call);
      continue;
    }
    Value inner = copy_of(*function);
    const Value changed = TRY(converted_arguments(*arguments, to_object));
    changes->arguments_converted |= changed.is_string() != arguments->is_string();
    inner.entries().set("arguments", changed);
    Value outer = copy_of(call);
    outer.entries().set("function", inner);
    converted.push_back(outer);
  }
  return Value::list(std::move(converted));
}

Result<Value> adjusted_message(const Value& original, const ChatAbilities& abilities,
                               ChatChanges* changes) {
  Value adjusted = copy_of(original);
  const Value* content = original.entries().find("content");
  if (content != nullptr && content->is_sequence() && abilities.text_content) {
    if (auto text = joined_parts(*content)) {
      adjusted.entries().set("content", Value(std::move(*text)));
      changes->parts_joined = true;
    }
  } else if (content != nullptr && content->is_string() && !abilities.text_content) {
    adjusted.entries().set("content", Value::list({text_part(*content)}));
    changes->text_wrapped = true;
  }
  const Value* calls = original.entries().find("tool_calls");
  if (calls == nullptr || !calls->is_sequence()) return adjusted;
  adjusted.entries().set("tool_calls",
                         TRY(converted_calls(*calls, abilities.object_arguments, changes)));
  if (content == nullptr || content->is_none()) adjusted.entries().set("content", "");
  return adjusted;
}

bool has_role(const Value& message, std::string_view role) {
  const Value* found = message.entries().find("role");
  return found != nullptr && found->is_string() && found->text() == role;
}

// A system message at the front goes into the turn behind it, or becomes the user's only turn.
void move_system(std::vector<Value>* messages, ChatChanges* changes) {
  if (messages->empty() || !has_role(messages->front(), "system")) return;
  const Value* system = messages->front().entries().find("content");
  if (system == nullptr || !system->is_string()) return;
  changes->system_moved = true;
  const bool followed = messages->size() > 1 && has_role((*messages)[1], "user");
  if (!followed) {
    messages->front().entries().set("role", "user");
    return;
  }
  const Value* content = (*messages)[1].entries().find("content");
  if (content != nullptr && content->is_string()) {
    const std::string between = system->text().empty() ? "" : "\n";
    (*messages)[1].entries().set("content", system->text() + between + content->text());
    messages->erase(messages->begin());
  } else if (content != nullptr && content->is_sequence()) {
    std::vector<Value> parts = content->items().values;
    parts.insert(parts.begin(), text_part(*system));
    (*messages)[1].entries().set("content", Value::list(std::move(parts)));
    messages->erase(messages->begin());
  }
}

}  // namespace

ChatAbilities probe_abilities(const ChatTemplate& chat) {
  ChatAbilities abilities;
  const std::string plain = rendered(chat, Value::list({message("user", "mark_user")}));
  if (!has(plain, "mark_user")) {
    const Value parts = Value::list({text_part("mark_user")});
    abilities.text_content =
        !has(rendered(chat, Value::list({message("user", parts)})), "mark_user");
  }
  const auto content = [&](const char* text) {
    return abilities.text_content ? Value(text) : Value::list({text_part(text)});
  };
  const Value user = message("user", content("mark_user"));
  const Value system = message("system", content("mark_system"));
  abilities.system_role = has(rendered(chat, Value::list({system, user})), "mark_system");
  abilities.tools =
      has(rendered(chat, Value::list({user}), tool_definitions("mark_tool")), "mark_tool");
  abilities.thinking_switch = rendered(chat, Value::list({user}), {}, true) !=
                              rendered(chat, Value::list({user}), {}, false);
  abilities.object_arguments = takes_object_arguments(chat);
  return abilities;
}

std::string tool_prompt(const ChatTemplate& chat) {
  const Value object = Value::dict({{"key", "value"}});
  const Value arguments =
      chat.abilities().object_arguments ? object : Value("{\"key\": \"value\"}");
  return rendered(chat, tool_conversation(arguments), tool_definitions("probe"));
}

Result<Value> adjusted_messages(const Value& messages, const ChatAbilities& abilities,
                                ChatChanges* changes) {
  std::vector<Value> adjusted;
  if (!messages.is_sequence()) return fail("messages: expected a list, found {}", messages.kind());
  for (const Value& original : messages.items().values) {
    if (!original.is_dict()) return fail("messages: expected dicts, found {}", original.kind());
    adjusted.push_back(TRY(adjusted_message(original, abilities, changes)));
  }
  if (!abilities.system_role) move_system(&adjusted, changes);
  return Value::list(std::move(adjusted));
}

}  // namespace issun::chat
