// A small JSON document as a tree: configuration files. Large ones are read with JsonReader.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace issun {

class JsonReader;

class Json {
 public:
  using Array = std::vector<Json>;
  using Object = std::vector<std::pair<std::string, Json>>;  // in the order of the text

  Json() = default;  // null
  // Error: not JSON, with the byte where.
  static Result<Json> parse(std::string_view text);
  // The next value of a larger document.
  static Result<Json> read(JsonReader& reader);

  bool is_null() const { return std::holds_alternative<std::monostate>(data_); }
  bool is_object() const { return std::holds_alternative<Object>(data_); }
  bool is_array() const { return std::holds_alternative<Array>(data_); }
  bool is_string() const { return std::holds_alternative<std::string>(data_); }
  bool is_bool() const { return std::holds_alternative<bool>(data_); }
  bool is_integer() const { return std::holds_alternative<int64_t>(data_); }
  bool is_number() const { return is_integer() || std::holds_alternative<double>(data_); }

  // The content; the caller has asked for the kind before.
  const std::string& text() const { return std::get<std::string>(data_); }
  bool boolean() const { return std::get<bool>(data_); }
  int64_t integer() const { return std::get<int64_t>(data_); }
  double number() const {
    return is_integer() ? static_cast<double>(integer()) : std::get<double>(data_);
  }

  // Of an array; nothing for others.
  const Array& items() const;
  const Object& members() const;
  // The member of that name, the last if there are several; null where there is none.
  const Json& operator[](std::string_view key) const;
  bool has(std::string_view key) const { return !(*this)[key].is_null(); }
  // Whether this is exactly that text, or `true`.
  bool is(std::string_view text) const { return is_string() && this->text() == text; }
  bool is_true() const { return is_bool() && boolean(); }

 private:
  friend class JsonTree;
  std::variant<std::monostate, bool, int64_t, double, std::string, Array, Object> data_;
};

}  // namespace issun
