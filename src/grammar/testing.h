// What the tests of grammars share: JSON as text, and texts run through an automaton.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "base/json.h"
#include "grammar/configurations.h"
#include "grammar/grammar.h"
#include "grammar/number_language.h"

namespace issun::grammar {

// Whether the whole text is one that the grammar allows.
inline bool accepts(const Grammar& grammar, std::string_view text) {
  Configurations configurations(grammar.automaton());
  Configuration at = Configurations::kFirst;
  for (const char byte : text) at = configurations.step(at, static_cast<uint8_t>(byte));
  return configurations.complete(at);
}

inline void append_string(const std::string& text, std::string& out) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\', out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  out += '"';
}

struct TextStyle {
  bool reversed = false;  // members of objects from the last to the first
  bool points = false;    // 1.0 where the value was written so; else 1
};
// Numbers without exponents.
inline void append_json(const Json& value, TextStyle style, std::string& out) {
  if (value.is_null()) out += "null";
  if (value.is_bool()) out += value.boolean() ? "true" : "false";
  if (value.is_string()) append_string(value.text(), out);
  if (value.is_number()) {
    const auto decimal = decimal_of(value);
    if (!decimal) {
      out += fmt::format("{}", value.number());
    } else {
      out += (decimal->negative ? "-" : "") + decimal->whole;
      if (!decimal->fraction.empty()) out += "." + decimal->fraction;
      if (decimal->fraction.empty() && style.points && !value.is_integer()) out += ".0";
    }
  }
  if (value.is_array()) {
    out += '[';
    for (const Json& item : value.items()) {
      if (&item != &value.items().front()) out += ", ";
      append_json(item, style, out);
    }
    out += ']';
  }
  if (value.is_object()) {
    Json::Object members = value.members();
    if (style.reversed) std::reverse(members.begin(), members.end());
    out += '{';
    for (const auto& [key, member] : members) {
      if (out.back() != '{') out += ", ";
      append_string(key, out);
      out += ": ";
      append_json(member, style, out);
    }
    out += '}';
  }
}
inline std::string to_text(const Json& value, TextStyle style = {}) {
  std::string text;
  append_json(value, style, text);
  return text;
}

}  // namespace issun::grammar
