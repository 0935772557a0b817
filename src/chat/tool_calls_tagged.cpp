#include "chat/tool_calls_tagged.h"

#include <algorithm>

#include "base/json_reader.h"
#include "chat/jinja/json.h"
#include "chat/search.h"

namespace issun::chat {

namespace {

using Calls = std::vector<ToolCall>;
using FoundCalls = std::optional<Calls>;

bool take(std::string_view* text, std::string_view prefix) {
  if (!text->starts_with(prefix)) return false;
  text->remove_prefix(prefix.size());
  return true;
}

// The text up to `end`, which is taken too; nullopt: there is none.
std::optional<std::string_view> take_until(std::string_view* text, std::string_view end) {
  const size_t at = text->find(end);
  if (at == npos) return std::nullopt;
  const std::string_view before = text->substr(0, at);
  text->remove_prefix(at + end.size());
  return before;
}

bool is_json(std::string_view text) {
  JsonReader reader(text);
  return reader.skip() && reader.end();
}

// A value written without quotes: what the definition says it is, or what it looks like.
std::string value_json(const ToolSignatures& tools, std::string_view tool, std::string_view name,
                       std::string_view value) {
  bool known = false, is_text = false;
  for (const ToolSignature& signature : tools) {
    if (signature.name != tool) continue;
    for (const auto& [parameter, text] : signature.is_text) {
      if (parameter == name) known = true, is_text = text;
    }
  }
  const std::string_view bare = without_blanks(value);
  if (!known) is_text = bare.starts_with('"');
  if (!is_text && is_json(bare)) return std::string(bare);
  if (!is_text && bare == "True") return "true";
  if (!is_text && bare == "False") return "false";
  if (!is_text && bare == "None") return "null";
  return jinja::json_string(value);
}

class Arguments {
 public:
  void add(std::string_view name, std::string_view json) {
    text_ += (text_.empty() ? "{" : ", ") + jinja::json_string(name) + ": ";
    text_ += json;
  }
  std::string json() const { return text_.empty() ? "{}" : text_ + "}"; }

 private:
  std::string text_;
};

// A tag with a name in it: <function=f>, <function name="f">, <parameter name="p" string="true">.
struct Tag {
  std::string_view kind;  // function, invoke, parameter, param
  std::string_view name;
  bool says_text = false, says_json = false;
};

constexpr std::string_view kDsml = "｜DSML｜";

std::optional<Tag> take_tag(std::string_view* text, std::initializer_list<const char*> kinds) {
  std::string_view rest = *text;
  if (!take(&rest, "<")) return std::nullopt;
  take(&rest, kDsml);
  Tag tag;
  for (const char* kind : kinds) {
    if (tag.kind.empty() && take(&rest, kind)) tag.kind = kind;
  }
  const auto inside = take_until(&rest, ">");
  if (tag.kind.empty() || !inside) return std::nullopt;
  std::string_view name = *inside;
  if (take(&name, "=")) {
    tag.name = without_blanks(name);
  } else if (take(&name, " name=\"")) {
    const auto quoted = take_until(&name, "\"");
    if (!quoted) return std::nullopt;
    tag.name = *quoted;
    tag.says_text = name.find("string=\"true\"") != npos;
    tag.says_json = name.find("string=\"false\"") != npos;
  }
  if (!is_tool_name(tag.name)) return std::nullopt;
  *text = rest;
  return tag;
}

bool take_end(std::string_view* text, std::string_view kind) {
  std::string_view rest = *text;
  if (!take(&rest, "</")) return false;
  take(&rest, kDsml);
  if (!take(&rest, kind) || !take(&rest, ">")) return false;
  *text = rest;
  return true;
}

// A value up to the end tag behind which the next parameter begins or the call ends: a value may
// hold the end tag itself.
std::optional<std::string_view> take_value(std::string_view* text, std::string_view kind,
                                           std::string_view call_kind) {
  for (size_t at = text->find("</"); at != npos; at = text->find("</", at + 2)) {
    std::string_view rest = text->substr(at);
    if (!take_end(&rest, kind)) continue;
    std::string_view next = without_blanks(rest);
    std::string_view probe = next;
    const bool ends = take_end(&probe, call_kind);
    if (!ends && !take_tag(&probe, {"parameter", "param"})) continue;
    std::string_view value = text->substr(0, at);
    *text = next;
    // A value on lines of its own.
    if (value.starts_with('\n') && take(&value, "\n") && value.ends_with('\n'))
      value.remove_suffix(1);
    return value;
  }
  return std::nullopt;
}

std::optional<ToolCall> take_tagged_call(std::string_view* text, const ToolSignatures& tools) {
  const auto head = take_tag(text, {"function", "invoke"});
  if (!head) return std::nullopt;
  ToolCall call{"", std::string(head->name), ""};
  *text = without_blanks(*text);
  if (text->starts_with('{')) {
    const auto json = take_until(text, head->kind == "function" ? "</function>" : "</invoke>");
    if (!json || !is_json_object(without_blanks(*json))) return std::nullopt;
    call.arguments = without_blanks(*json);
    return call;
  }
  Arguments arguments;
  while (!take_end(text, head->kind)) {
    const auto tag = take_tag(text, {"parameter", "param"});
    if (!tag) return std::nullopt;
    const auto value = take_value(text, tag->kind, head->kind);
    if (!value) return std::nullopt;
    const std::string json = tag->says_text ? jinja::json_string(*value)
                             : tag->says_json && is_json(without_blanks(*value))
                                 ? std::string(without_blanks(*value))
                                 : value_json(tools, head->name, tag->name, *value);
    arguments.add(tag->name, json);
  }
  call.arguments = arguments.json();
  return call;
}

// "f", then the JSON of its arguments; f may be "function<｜tool▁sep｜>f\n```json".
std::optional<ToolCall> call_of(std::string_view head, std::string_view json) {
  json = without_blanks(json);
  head = without_blanks(head);
  ToolCall call;
  // Kimi: functions.f:0, which is the call's id.
  if (const size_t colon = head.rfind(':'); take(&head, "functions.") && colon != npos) {
    call.id = "functions." + std::string(head);
    head = head.substr(0, head.rfind(':'));
  }
  if (!is_tool_name(head) || !is_json_object(json)) return std::nullopt;
  call.name = head;
  call.arguments = json;
  return call;
}

struct BeginMarkers {
  std::string_view begin, separator, end;
};
constexpr BeginMarkers kBeginMarkers[] = {
    {"<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>"},
    {"<|tool_call_begin|>", "<|tool_call_argument_begin|>", "<|tool_call_end|>"},
};

}  // namespace

bool is_tool_name(std::string_view text) {
  constexpr size_t kLongest = 256;
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_-.:/$").find(c) != npos || static_cast<unsigned char>(c) >= 0x80;
  };
  return !text.empty() && text.size() <= kLongest && std::all_of(text.begin(), text.end(), allowed);
}

FoundCalls read_begun_calls(std::string_view section, const ToolSignatures&) {
  for (const BeginMarkers& markers : kBeginMarkers) {
    if (!section.starts_with(markers.begin)) continue;
    Calls calls;
    while (take(&section, markers.begin)) {
      const auto head = take_until(&section, markers.separator);
      const auto body = take_until(&section, markers.end);
      if (!head || !body) return std::nullopt;
      std::string_view json = *body, name = *head;
      if (const size_t fence = body->find("```json"); fence != npos && body->ends_with("```")) {
        name = body->substr(0, fence);
        json = body->substr(fence + 7, body->size() - fence - 10);
      }
      auto call = call_of(name, json);
      if (!call) return std::nullopt;
      calls.push_back(std::move(*call));
      section = without_blanks(section);
    }
    return section.empty() ? FoundCalls(std::move(calls)) : std::nullopt;
  }
  return std::nullopt;
}

FoundCalls read_tagged_calls(std::string_view section, const ToolSignatures& tools) {
  Calls calls;
  while (!section.empty()) {
    auto call = take_tagged_call(&section, tools);
    if (!call) return std::nullopt;
    calls.push_back(std::move(*call));
    section = without_blanks(section);
  }
  return calls.empty() ? std::nullopt : FoundCalls(std::move(calls));
}

FoundCalls read_argument_pairs(std::string_view section, const ToolSignatures& tools) {
  const size_t end = std::min(section.find_first_of("\n<"), section.size());
  const std::string_view name = without_blanks(section.substr(0, end));
  if (!is_tool_name(name)) return std::nullopt;
  section = without_blanks(section.substr(end));
  if (section.empty() && !has_tool(tools, name)) return std::nullopt;  // any word looks like that
  Arguments arguments;
  while (!section.empty()) {
    if (!take(&section, "<arg_key>")) return std::nullopt;
    const auto key = take_until(&section, "</arg_key>");
    section = without_blanks(section);
    if (!key || !take(&section, "<arg_value>")) return std::nullopt;
    const auto value = take_until(&section, "</arg_value>");
    if (!value) return std::nullopt;
    arguments.add(without_blanks(*key), value_json(tools, name, without_blanks(*key), *value));
    section = without_blanks(section);
  }
  return Calls{{"", std::string(name), arguments.json()}};
}

FoundCalls read_named_calls(std::string_view section, const ToolSignatures&) {
  Calls calls;
  while (!section.empty()) {
    take(&section, "[TOOL_CALLS]");  // once before each call
    const size_t brace = section.find('{');
    if (brace == npos) return std::nullopt;
    std::string_view head = section.substr(0, brace);
    JsonReader reader(section.substr(brace));
    if (!reader.skip()) return std::nullopt;
    const std::string_view json = section.substr(brace, reader.at());
    std::string_view id;
    if (const size_t args = head.find("[ARGS]"); args != npos) {
      if (args + 6 != head.size()) return std::nullopt;
      head = head.substr(0, args);
      const auto name = take_until(&head, "[CALL_ID]");
      if (name) id = std::exchange(head, *name);
    }
    auto call = call_of(head, json);
    if (!call) return std::nullopt;
    if (!id.empty()) call->id = id;
    calls.push_back(std::move(*call));
    section = without_blanks(section.substr(brace + reader.at()));
  }
  return calls.empty() ? std::nullopt : FoundCalls(std::move(calls));
}

}  // namespace issun::chat
