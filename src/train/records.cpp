// A line of JSON as a document: the forms in which conversations, instructions and pairs are kept.
#include <string>
#include <utility>

#include "base/quote.h"
#include "chat/jinja/json.h"
#include "gguf/content_hash.h"
#include "train/documents.h"

namespace issun::train {

namespace {

using chat::jinja::Value;

constexpr const char* kForms =
    "text, messages, conversations, prompt with completion, instruction with output, or query with "
    "positive";

bool has(const Value& record, std::string_view key) {
  const Value* value = record.entries().find(key);
  return value != nullptr && !value->is_none();
}

Result<std::string> text_of(const Value& record, std::string_view key) {
  const Value* value = record.entries().find(key);
  if (value == nullptr) return fail("expected \"{}\" as well", key);
  if (!value->is_string()) return fail("\"{}\": expected a string, found {}", key, value->kind());
  return value->text();
}

Result<std::string> some_text_of(const Value& record, std::string_view key) {
  std::string text = TRY(text_of(record, key));
  if (text.empty()) return fail("\"{}\": expected text, found an empty string", key);
  return text;
}

// ShareGPT's names for who speaks.
std::string_view role_of(std::string_view from) {
  constexpr std::pair<std::string_view, std::string_view> kRoles[] = {
      {"human", "user"},   {"gpt", "assistant"},          {"chatgpt", "assistant"},
      {"bing", "user"},    {"bard", "assistant"},         {"model", "assistant"},
      {"ai", "assistant"}, {"function_response", "tool"}, {"observation", "tool"}};
  for (const auto& [name, role] : kRoles) {
    if (name == from) return role;
  }
  return from;
}

Result<Value> read_message(const Value& given) {
  if (!given.is_dict()) return fail("expected an object, found {}", given.kind());
  const bool sharegpt = !has(given, "role") && has(given, "from");
  const std::string_view role_key = sharegpt ? "from" : "role";
  const std::string role(role_of(TRY(some_text_of(given, role_key))));
  if (role != "system" && role != "developer" && role != "user" && role != "assistant" &&
      role != "tool") {
    return fail("\"{}\": expected system, developer, user, assistant or tool, found '{}'", role_key,
                printable(role));
  }
  const std::string_view content_key = sharegpt ? "value" : "content";
  const Value* content = given.entries().find(content_key);
  const bool calls = role == "assistant" && has(given, "tool_calls");
  const bool absent = content == nullptr || content->is_none();
  if (absent && !calls) return fail("expected \"{}\" as well", content_key);
  if (!absent && !content->is_string() && !(content->is_sequence() && !sharegpt)) {
    return fail("\"{}\": expected a string, found {}", content_key, content->kind());
  }
  Value message = Value::dict({{"role", role}, {"content", absent ? Value("") : *content}});
  for (const auto& [key, value] : given.entries().entries()) {
    if (key.text() != role_key && key.text() != content_key) message.entries().set(key, value);
  }
  const Value* weight = given.entries().find("weight");
  if (weight != nullptr &&
      !(weight->is_number() && (weight->number() == 0 || weight->number() == 1))) {
    return fail("\"weight\": expected 0 or 1");
  }
  return message;
}

Result<Document> read_messages(const Value& record, std::string_view key) {
  Document document;
  document.kind = Document::Kind::Chat;
  document.messages = Value::list();
  std::vector<Value>& messages = document.messages.items().values;
  const Value& given = *record.entries().find(key);
  if (!given.is_sequence()) {
    return fail("\"{}\": expected a list of messages, found {}", key, given.kind());
  }
  if (has(record, "system")) {
    std::string system = TRY(text_of(record, "system"));
    if (!system.empty()) messages.push_back(Value::dict({{"role", "system"}, {"content", system}}));
  }
  bool answered = false;
  for (size_t i = 0; i < given.items().values.size(); ++i) {
    Result<Value> message = read_message(given.items().values[i]);
    if (!message) return fail("\"{}\"[{}]: {}", key, i, message.error().message);
    answered = answered || message->entries().find("role")->text() == "assistant";
    messages.push_back(std::move(*message));
  }
  if (!answered) return fail("\"{}\": expected an answer of the assistant, found none", key);
  if (has(record, "tools")) {
    document.tools = *record.entries().find("tools");
    if (!document.tools.is_sequence()) {
      return fail("\"tools\": expected a list, found {}", document.tools.kind());
    }
  }
  return document;
}

Result<Document> read_completion(const Value& record) {
  Document document;
  document.kind = Document::Kind::Completion;
  if (has(record, "prompt")) {
    document.prompt = TRY(text_of(record, "prompt"));
    document.answer = TRY(some_text_of(record, "completion"));
    return document;
  }
  document.separator = "\n\n";
  document.prompt = TRY(some_text_of(record, "instruction"));
  if (has(record, "input")) {
    const std::string input = TRY(text_of(record, "input"));
    if (!input.empty()) document.prompt += "\n\n" + input;
  }
  document.answer = TRY(some_text_of(record, "output"));
  return document;
}

Result<Document> read_pair(const Value& record) {
  Document document;
  document.kind = Document::Kind::Pair;
  document.query = TRY(some_text_of(record, has(record, "query") ? "query" : "anchor"));
  document.positive = TRY(some_text_of(record, "positive"));
  if (has(record, "negative")) document.negative = TRY(some_text_of(record, "negative"));
  return document;
}

Result<Document> read_form(const Value& record) {
  if (has(record, "text")) {
    Document document;
    document.text = TRY(some_text_of(record, "text"));
    return document;
  }
  for (const std::string_view key : {"messages", "conversations"}) {
    if (has(record, key)) return read_messages(record, key);
  }
  if (has(record, "prompt") || has(record, "instruction")) return read_completion(record);
  if (has(record, "query") || has(record, "anchor")) return read_pair(record);
  return fail("expected an object with {}", kForms);
}

}  // namespace

Result<Document> read_record(std::string_view line) {
  const Value record = TRY(chat::jinja::parse_json(line));
  if (!record.is_dict()) return fail("expected an object with {}, found {}", kForms, record.kind());
  Document document = TRY(read_form(record));
  document.content = gguf::content_hash(std::as_bytes(std::span(line)));
  return document;
}

}  // namespace issun::train
