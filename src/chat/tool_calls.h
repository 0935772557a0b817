// Calls of tools as models write them, read: JSON, XML-like tags, Python, and the mixtures in use.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "chat/jinja/value.h"

namespace issun::chat {

struct ToolCall {
  std::string id;  // as the model gave it; often empty
  std::string name;
  std::string arguments;  // a JSON object
  size_t place = 0;       // how much of the answer's content stands before it, in bytes
  bool operator==(const ToolCall&) const = default;
};

// What is known of a tool: which of its parameters are texts, where only the types tell `5` and
// `"5"` apart.
struct ToolSignature {
  std::string name;
  std::vector<std::pair<std::string, bool>> is_text;  // by parameter
};
using ToolSignatures = std::vector<ToolSignature>;

// Of a list of definitions as the OpenAI API has them; what is no definition is left out.
ToolSignatures signatures_of(const jinja::Value& tools);
bool has_tool(const ToolSignatures& tools, std::string_view name);

// All calls of a section, which must hold nothing else; at least one. nullopt: it is malformed.
// What kind of text it is shows at its beginning:
//   {"name": ..., "arguments": {...}}, lists of it, with "parameters", "function", "tool_name"
//   <function=f><parameter=p>v</parameter></function>, <invoke name="f"><parameter name="p">...
//   f<arg_key>p</arg_key><arg_value>v</arg_value>
//   f[ARGS]{...}, f[CALL_ID]i[ARGS]{...}, f{...}
//   <｜tool▁call▁begin｜>f<｜tool▁sep｜>{...}<｜tool▁call▁end｜> and with function<｜tool▁sep｜>f
//   ```json
//   <|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{...}<|tool_call_end|>
//   [f(p="v"), g()], f.call(p="v")
//   call:f{p:<|"|>v<|"|>}
std::optional<std::vector<ToolCall>> read_calls(std::string_view section,
                                                const ToolSignatures& tools);

// One call as a JSON object, or a list or a sequence of them.
std::optional<std::vector<ToolCall>> read_json_calls(std::string_view text);

bool is_json_object(std::string_view text);

// Reads a section piece by piece and knows whether it has come to lie inside a string: of JSON, or
// of a Python list of calls, where ' quotes too. Other sections have none.
class StringWatch {
 public:
  void feed(std::string_view piece);
  bool inside() const { return quote_ != 0; }

 private:
  enum class Kind { Blank, List, Json, Python, Other };
  void begin(char c);

  Kind kind_ = Kind::Blank;
  char quote_ = 0;
  bool escaped_ = false;
};

std::string_view without_blanks(std::string_view text);  // at both ends

}  // namespace issun::chat
