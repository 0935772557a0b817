#include "measure/json_lines.h"

namespace issun::measure {

Result<void> for_each_json_line(std::string_view text, const std::string& path,
                                const std::function<Result<void>(const Json&)>& body) {
  if (text.starts_with("\x1f\x8b"))
    return fail("{}: expected JSON lines, found a gzip file: unpack it first", path);
  for (int64_t number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const auto taken = [&]() -> Result<void> {
      const Json object = TRY(Json::parse(line));
      if (!object.is_object()) return fail("expected a JSON object");
      return body(object);
    }();
    if (!taken) return fail("{}:{}: {}", path, number, taken.error().message);
  }
  return {};
}

Result<std::string> text_of(const Json& object, std::string_view key) {
  if (object[key].is_string()) return object[key].text();
  return fail("expected a text as \"{}\"", key);
}

Result<int64_t> integer_of(const Json& object, std::string_view key) {
  if (object[key].is_integer()) return object[key].integer();
  return fail("expected a whole number as \"{}\"", key);
}

Result<double> number_of(const Json& object, std::string_view key) {
  if (object[key].is_number()) return object[key].number();
  return fail("expected a number as \"{}\"", key);
}

Result<bool> boolean_of(const Json& object, std::string_view key) {
  if (object[key].is_bool()) return object[key].boolean();
  return fail("expected true or false as \"{}\"", key);
}

Result<std::vector<std::string>> texts_of(const Json& object, std::string_view key) {
  std::vector<std::string> texts;
  for (const Json& item : object[key].items()) {
    if (!item.is_string()) return fail("expected texts in \"{}\"", key);
    texts.push_back(item.text());
  }
  if (texts.empty()) return fail("expected a list of texts as \"{}\"", key);
  return texts;
}

}  // namespace issun::measure
