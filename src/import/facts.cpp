#include "import/facts.h"

#include <cmath>

#include "base/file.h"
#include "base/quote.h"

namespace issun::import {

Result<Json> read_json_file(const std::string& path) {
  if (!is_file(path)) return Json();
  Result<Json> json = Json::parse(TRY(read_text(path, kLongestConfig)));
  if (!json) return fail("{}: {}", path, json.error().message);
  return json;
}

Result<Facts> Facts::read(std::string_view text, std::string_view name) {
  Facts facts;
  facts.name_ = name;
  Result<Json> parsed = Json::parse(text);
  if (!parsed) return fail("{}: {}", name, parsed.error().message);
  if (!parsed->is_object()) return fail("{}: expected a JSON object", name);
  facts.top_ = std::move(*parsed);
  return facts;
}

Result<void> Facts::set_defaults(std::string_view text) {
  defaults_ = TRY(Json::parse(text));
  return {};
}

const Json& Facts::get(std::string_view names) const {
  static const Json absent;
  const std::string_view first = names.substr(0, names.find('|'));
  while (!names.empty()) {
    const size_t end = names.find('|');
    const std::string_view name = names.substr(0, end);
    const Json& inner = top_["text_config"][name];
    if (!inner.is_null()) return inner;
    if (top_.has(name)) return top_[name];
    names.remove_prefix(end == std::string_view::npos ? names.size() : end + 1);
  }
  return defaults_.has(first) ? defaults_[first] : absent;
}

Result<std::optional<int64_t>> Facts::maybe_count(std::string_view names) const {
  const Json& value = get(names);
  if (value.is_null()) return std::nullopt;
  if (value.is_integer() && value.integer() >= 0 && value.integer() <= INT32_MAX) {
    return value.integer();
  }
  return fail("{}: {}: expected a whole number from 0 to {}", name_, names, INT32_MAX);
}

Result<std::optional<double>> Facts::maybe_number(std::string_view names) const {
  const Json& value = get(names);
  if (value.is_null()) return std::nullopt;
  if (value.is_number() && std::isfinite(static_cast<float>(value.number()))) {
    return value.number();
  }
  return fail("{}: {}: expected a number", name_, names);
}

Result<int64_t> Facts::count(std::string_view names) const {
  const auto count = TRY(maybe_count(names));
  if (count) return *count;
  return fail("{}: {}: expected a whole number, found none", name_, names);
}

Result<double> Facts::number(std::string_view names) const {
  const auto number = TRY(maybe_number(names));
  if (number) return *number;
  return fail("{}: {}: expected a number, found none", name_, names);
}

Result<std::string> Facts::architecture() const {
  const auto& all = top_["architectures"].items();
  if (!all.empty() && all[0].is_string()) return all[0].text();
  return fail("{}: architectures: expected the name of one, found none", name_);
}

}  // namespace issun::import
