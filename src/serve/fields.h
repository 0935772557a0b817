// The fields of a JSON object that a client sent: read one by one with the type and the range that
// are expected, and afterwards none is left that nobody looked at. Everything wrong is an ApiError
// that names the field.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "serve/api_error.h"
#include "serve/json.h"

namespace issun::serve {

// JSON nested at most 100 levels.
Json parse_json(std::string_view body);
// An object.
Json parse_body(std::string_view body);

class Fields {
 public:
  // `object` outlives this. path: where it stands, for messages ("messages[0]"); empty: at the top.
  explicit Fields(const Json& object, std::string path = {});

  // nullptr, or nothing: it is not there, or null.
  const Json* find(std::string_view name);
  std::optional<bool> boolean(std::string_view name);
  std::optional<int64_t> integer(std::string_view name, int64_t least, int64_t most);
  std::optional<double> number(std::string_view name, double least, double most);
  std::optional<std::string> text(std::string_view name);
  // A text, or a list of texts.
  std::optional<std::vector<std::string>> texts(std::string_view name);
  std::string required_text(std::string_view name);
  const Json& required(std::string_view name);

  // Known, but without effect here.
  void accept(std::initializer_list<std::string_view> names);
  // Fields that nobody asked for.
  std::vector<std::string> left() const;
  std::string path_of(std::string_view name) const;

 private:
  const Json& object_;
  std::string path_;
  std::set<std::string, std::less<>> seen_;
};

// "a text", "a list": for messages.
const char* kind_of(const Json& value);

}  // namespace issun::serve
