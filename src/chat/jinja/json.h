// JSON: text to values (order of keys kept) and back as Python's json.dumps writes it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "chat/jinja/runtime.h"
#include "chat/jinja/value.h"

namespace issun::chat::jinja {

// Error: not JSON (with the byte where), or nested deeper than 200 levels. Integers beyond 64 bits
// become floats. Without a runtime nothing is charged: for the program's own input.
Result<Value> parse_json(std::string_view text, Runtime* runtime = nullptr);

// The text as JSON writes it, quotes included.
std::string json_string(std::string_view text, bool ascii = false);

struct JsonStyle {
  std::optional<int64_t> indent;    // spaces per level; nothing: all on one line
  std::string_view item_separator;  // empty: ", ", or "," with indent
  std::string_view key_separator;   // empty: ": "
  bool ascii = false;               // escape everything above U+007F
  bool sort_keys = false;
};
// Error: a value without JSON, such as a function or an undefined one.
Result<void> append_json(TextSink& out, const Value& value, const JsonStyle& style);

}  // namespace issun::chat::jinja
