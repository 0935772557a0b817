// Calls written as code: Python's, and Gemma's notation. Their values become JSON.
#include "base/json_reader.h"
#include "chat/jinja/json.h"
#include "chat/tool_calls_tagged.h"

namespace issun::chat {

namespace {

using Calls = std::vector<ToolCall>;

enum class Notation { Python, Gemma };
constexpr std::string_view kGemmaQuote = "<|\"|>";

// Reads values from front to back. Everything returns false where the text is malformed.
class Literals {
 public:
  Literals(std::string_view text, Notation notation) : rest_(text), notation_(notation) {}

  bool take(std::string_view token) {
    skip_blanks();
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }
  bool at_end() {
    skip_blanks();
    return rest_.empty();
  }

  // Letters, digits, underscores, points and dashes.
  bool name(std::string_view* out) {
    skip_blanks();
    const size_t end = std::min(rest_.find_first_of(" \t\r\n(){}[]=:,;'\"<>"), rest_.size());
    *out = rest_.substr(0, end);
    rest_.remove_prefix(end);
    return is_tool_name(*out);
  }

  // "p=v, q=w" or "p:v,q:w" up to `close`, as a JSON object.
  bool members(std::string_view between, std::string_view close, std::string* out) {
    if (++depth_ > JsonReader::kNesting) return false;
    *out += '{';
    for (bool first = true; !take(close); first = false) {
      if (!first && !take(",")) return false;
      if (!first && take(close)) break;
      if (!first) *out += ", ";
      if (!key(out) || !take(between)) return false;
      *out += ": ";
      if (!value(out)) return false;
    }
    *out += '}';
    --depth_;
    return true;
  }

  bool value(std::string* out) {
    skip_blanks();
    if (text(out)) return true;
    if (take("{")) return members(":", "}", out);
    if (take("[")) return list("]", out);
    if (notation_ == Notation::Python && take("(")) return list(")", out);
    return scalar(out);
  }

 private:
  void skip_blanks() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size()));
  }

  bool list(std::string_view close, std::string* out) {
    if (++depth_ > JsonReader::kNesting) return false;
    *out += '[';
    for (bool first = true; !take(close); first = false) {
      if (!first && !take(",")) return false;
      if (!first && take(close)) break;
      if (!first) *out += ", ";
      if (!value(out)) return false;
    }
    *out += ']';
    --depth_;
    return true;
  }

  bool key(std::string* out) {
    if (text(out)) return true;
    std::string_view found;
    if (!name(&found)) return false;
    *out += jinja::json_string(found);
    return true;
  }

  // A quoted text; false: none begins here, or it does not end.
  bool text(std::string* out) {
    skip_blanks();
    if (notation_ == Notation::Gemma) {
      if (!rest_.starts_with(kGemmaQuote)) return false;
      const size_t end = rest_.find(kGemmaQuote, kGemmaQuote.size());
      if (end == std::string_view::npos) return false;
      *out += jinja::json_string(rest_.substr(kGemmaQuote.size(), end - kGemmaQuote.size()));
      rest_.remove_prefix(end + kGemmaQuote.size());
      return true;
    }
    if (!rest_.starts_with('"') && !rest_.starts_with('\'')) return false;
    const char quote = rest_[0];
    std::string chars;
    for (size_t i = 1; i < rest_.size(); ++i) {
      if (rest_[i] == quote) {
        *out += jinja::json_string(chars);
        rest_.remove_prefix(i + 1);
        return true;
      }
      if (rest_[i] == '\\' && i + 1 < rest_.size()) {
        append_escape(rest_[++i], &chars);
      } else {
        chars += rest_[i];
      }
    }
    return false;
  }

  static void append_escape(char letter, std::string* chars) {
    switch (letter) {
      case 'n':
        *chars += '\n';
        break;
      case 't':
        *chars += '\t';
        break;
      case 'r':
        *chars += '\r';
        break;
      case '\n':
        break;  // a line that goes on
      case '\\':
      case '"':
      case '\'':
        *chars += letter;
        break;
      default:  // \u and the like stay as they are
        *chars += '\\';
        *chars += letter;
    }
  }

  // A number, a truth value or nothing; in Gemma's notation also a bare text.
  bool scalar(std::string* out) {
    const size_t end = std::min(rest_.find_first_of(",)]}"), rest_.size());
    const std::string_view word = without_blanks(rest_.substr(0, end));
    if (word.empty()) return false;
    rest_.remove_prefix(end);
    if (word == "True" || word == "true") {
      *out += "true";
    } else if (word == "False" || word == "false") {
      *out += "false";
    } else if (word == "None" || word == "null") {
      *out += "null";
    } else if (JsonReader reader(word); reader.number() && reader.end()) {
      *out += word;
    } else if (notation_ == Notation::Gemma) {
      *out += jinja::json_string(word);
    } else {
      return false;
    }
    return true;
  }

  std::string_view rest_;
  Notation notation_;
  int depth_ = 0;
};

}  // namespace

std::optional<Calls> read_python_calls(std::string_view section, const ToolSignatures&) {
  Literals reader(section, Notation::Python);
  const bool listed = reader.take("[");
  Calls calls;
  while (!(listed ? reader.take("]") : reader.at_end())) {
    if (!calls.empty() && !reader.take(listed ? "," : ";")) return std::nullopt;
    std::string_view name;
    ToolCall call;
    if (!reader.name(&name) || !reader.take("(")) return std::nullopt;
    if (name.ends_with(".call")) name.remove_suffix(5);
    if (!reader.members("=", ")", &call.arguments)) return std::nullopt;
    call.name = name;
    calls.push_back(std::move(call));
  }
  if (calls.empty() || !reader.at_end()) return std::nullopt;
  return calls;
}

std::optional<Calls> read_gemma_call(std::string_view section, const ToolSignatures&) {
  Literals reader(section, Notation::Gemma);
  std::string_view name;
  ToolCall call;
  if (!reader.take("call:") || !reader.name(&name) || !reader.take("{")) return std::nullopt;
  if (!reader.members(":", "}", &call.arguments) || !reader.at_end()) return std::nullopt;
  call.name = name;
  return Calls{std::move(call)};
}

}  // namespace issun::chat
