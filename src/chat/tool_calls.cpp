#include "chat/tool_calls.h"

#include <algorithm>
#include <initializer_list>

#include "base/json_reader.h"
#include "chat/search.h"
#include "chat/tool_calls_tagged.h"

namespace issun::chat {

namespace {

using jinja::Value;
using Calls = std::vector<ToolCall>;

// What the next value is written as.
Result<std::string_view> raw_value(JsonReader& reader, std::string_view text) {
  reader.peek();  // behind the blanks
  const size_t begin = reader.at();
  TRY(reader.skip());
  return text.substr(begin, reader.at() - begin);
}

// Arguments are an object, or a text that holds one.
Result<std::string> arguments_of(JsonReader& reader, std::string_view text) {
  switch (reader.peek()) {
    case JsonReader::Kind::Object:
      return std::string(TRY(raw_value(reader, text)));
    case JsonReader::Kind::String: {
      std::string inner = TRY(reader.string());
      if (is_json_object(inner)) return inner;
      return fail("arguments: expected an object");
    }
    case JsonReader::Kind::Null:
      TRY(reader.null());
      return std::string("{}");
    default:
      return fail("arguments: expected an object");
  }
}

Result<void> read_call(JsonReader& reader, std::string_view text, ToolCall* call) {
  return reader.object([&](std::string& key) -> Result<void> {
    const JsonReader::Kind kind = reader.peek();
    const bool is_text = kind == JsonReader::Kind::String;
    if (key == "function" && kind == JsonReader::Kind::Object) return read_call(reader, text, call);
    if ((key == "name" || key == "tool_name" || key == "function") && is_text) {
      call->name = TRY(reader.string());
    } else if (key == "arguments" || key == "parameters") {
      call->arguments = TRY(arguments_of(reader, text));
    } else if ((key == "id" || key == "tool_call_id") && is_text) {
      call->id = TRY(reader.string());
    } else {
      return reader.skip();
    }
    return {};
  });
}

// One call, or a list of them. Error: anything else, behind which `reader` is of no use.
Result<void> read_value(JsonReader& reader, std::string_view text, Calls* calls) {
  const auto one = [&]() -> Result<void> {
    ToolCall call;
    TRY(read_call(reader, text, &call));
    if (call.name.empty()) return fail("a call without a name");
    if (call.arguments.empty()) call.arguments = "{}";
    calls->push_back(std::move(call));
    return {};
  };
  return reader.peek() == JsonReader::Kind::Array ? reader.array(one) : one();
}

const Value* entry(const Value& dict, std::string_view key) {
  return dict.is_dict() ? dict.entries().find(key) : nullptr;
}

}  // namespace

std::string_view without_blanks(std::string_view text) {
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return text.substr(text.size());
  return text.substr(begin, text.find_last_not_of(kBlanks) + 1 - begin);
}

bool is_json_object(std::string_view text) {
  JsonReader reader(text);
  return reader.peek() == JsonReader::Kind::Object && reader.skip() && reader.end();
}

void StringWatch::feed(std::string_view piece) {
  for (const char c : piece) {
    if (kind_ == Kind::Blank || kind_ == Kind::List) begin(c);
    if (kind_ == Kind::Other) return;
    if (escaped_) {
      escaped_ = false;
    } else if (quote_ != 0) {
      escaped_ = c == '\\';
      if (c == quote_) quote_ = 0;
    } else if (c == '"' || (c == '\'' && kind_ == Kind::Python)) {
      quote_ = c;
    }
  }
}

// What the first characters that are no blanks tell.
void StringWatch::begin(char c) {
  if (kBlanks.find(c) != std::string_view::npos) return;
  if (kind_ == Kind::Blank) {
    kind_ = c == '{' ? Kind::Json : c == '[' ? Kind::List : Kind::Other;
  } else {
    kind_ = c == '{' || c == '[' || c == '"' ? Kind::Json : Kind::Python;
  }
}

std::optional<Calls> read_json_calls(std::string_view text) {
  Calls calls;
  for (text = without_blanks(text); !text.empty();) {
    JsonReader reader(text);
    if (!read_value(reader, text, &calls)) return std::nullopt;
    text = without_blanks(text.substr(reader.at()));
    // Between calls stands nothing, a comma or a semicolon.
    if (text.starts_with(';') || text.starts_with(',')) text = without_blanks(text.substr(1));
  }
  if (calls.empty()) return std::nullopt;
  return calls;
}

std::optional<Calls> read_calls(std::string_view section, const ToolSignatures& tools) {
  section = without_blanks(section);
  if (section.starts_with('{')) return read_json_calls(section);
  for (const auto read : {read_python_calls, read_gemma_call, read_begun_calls, read_tagged_calls,
                          read_argument_pairs, read_named_calls}) {
    if (section.starts_with('[') && read != read_python_calls) break;
    if (auto calls = read(section, tools)) return calls;
  }
  return section.starts_with('[') ? read_json_calls(section) : std::nullopt;
}

ToolSignatures signatures_of(const Value& tools) {
  ToolSignatures found;
  if (!tools.is_sequence()) return found;
  for (const Value& tool : tools.items().values) {
    const Value* function = entry(tool, "function");
    const Value& definition = function != nullptr ? *function : tool;
    const Value* name = entry(definition, "name");
    if (name == nullptr || !name->is_string()) continue;
    ToolSignature signature{name->text(), {}};
    const Value* parameters = entry(definition, "parameters");
    const Value* properties = parameters != nullptr ? entry(*parameters, "properties") : nullptr;
    if (properties != nullptr && properties->is_dict()) {
      for (const auto& [key, schema] : properties->entries().entries()) {
        const Value* type = entry(schema, "type");
        const bool is_text = type != nullptr && type->is_string() && type->text() == "string";
        if (key.is_string() && type != nullptr) signature.is_text.emplace_back(key.text(), is_text);
      }
    }
    found.push_back(std::move(signature));
  }
  return found;
}

bool has_tool(const ToolSignatures& tools, std::string_view name) {
  return std::any_of(tools.begin(), tools.end(),
                     [name](const ToolSignature& tool) { return tool.name == name; });
}

}  // namespace issun::chat
