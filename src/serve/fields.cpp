#include "serve/fields.h"

#include <algorithm>
#include <cmath>

namespace issun::serve {

namespace {
constexpr int kDeepest = 100;
constexpr int kMostKeys = 4096;  // of an object: each is compared with all before it
}  // namespace

Json to_json(const ApiError& error) {
  const char* type = "invalid_request_error";
  if (error.status == 401) type = "authentication_error";
  if (error.status == 404) type = "not_found_error";
  if (error.status == 501) type = "not_supported_error";
  if (error.status == 503) type = "unavailable_error";
  if (error.status >= 500 && error.status != 501 && error.status != 503) type = "server_error";
  Json body{{"message", error.message},
            {"type", type},
            {"param", error.param.empty() ? Json() : Json(error.param)},
            {"code", error.code.empty() ? Json() : Json(error.code)}};
  if (error.details.is_object()) body.update(error.details);
  return {{"error", std::move(body)}};
}

Json parse_json(std::string_view body) {
  try {
    std::vector<int> keys(kDeepest + 2);  // by depth, of the object that is being read
    return Json::parse(body, [&](int depth, Json::parse_event_t event, Json&) {
      const auto place = static_cast<size_t>(std::clamp(depth, 0, kDeepest + 1));
      if (event == Json::parse_event_t::object_start)
        keys[std::min(place + 1, keys.size() - 1)] = 0;
      if (event == Json::parse_event_t::key && ++keys[place] > kMostKeys)
        throw bad_request("", "body: an object of more than {} fields", kMostKeys);
      if (depth <= kDeepest) return true;
      throw bad_request("", "body: JSON nested deeper than {} levels", kDeepest);
    });
  } catch (const Json::parse_error& error) {
    throw bad_request("", "body: not JSON, at byte {}", error.byte);
  } catch (const Json::exception&) {
    throw bad_request("", "body: a number beyond what can be told");
  }
}

Json parse_body(std::string_view body) {
  Json json = parse_json(body);
  if (!json.is_object())
    throw bad_request("", "body: expected a JSON object, found {}", kind_of(json));
  return json;
}

const char* kind_of(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null:
      return "null";
    case Json::value_t::object:
      return "an object";
    case Json::value_t::array:
      return "a list";
    case Json::value_t::string:
      return "a text";
    case Json::value_t::boolean:
      return "true or false";
    default:
      return "a number";
  }
}

Fields::Fields(const Json& object, std::string path) : object_(object), path_(std::move(path)) {
  if (!object_.is_object())
    throw bad_request(path_, "expected an object, found {}", kind_of(object_));
}

std::string Fields::path_of(std::string_view name) const {
  return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
}

const Json* Fields::find(std::string_view name) {
  seen_.emplace(name);
  const auto found = object_.find(std::string(name));
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

std::optional<bool> Fields::boolean(std::string_view name) {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean())
    throw bad_request(path_of(name), "expected true or false, found {}", kind_of(*value));
  return value->get<bool>();
}

std::optional<int64_t> Fields::integer(std::string_view name, int64_t least, int64_t most) {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  const auto wrong = [&] {
    return bad_request(path_of(name), "expected a whole number from {} to {}, found {}", least,
                       most, value->is_number() ? dump(*value) : kind_of(*value));
  };
  if (!value->is_number()) throw wrong();
  const double number = value->get<double>();
  if (number != std::floor(number) || number < static_cast<double>(least) ||
      number > static_cast<double>(most)) {
    throw wrong();
  }
  return value->is_number_integer() ? value->get<int64_t>() : static_cast<int64_t>(number);
}

std::optional<double> Fields::number(std::string_view name, double least, double most) {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number())
    throw bad_request(path_of(name), "expected a number, found {}", kind_of(*value));
  const double number = value->get<double>();
  if (!(number >= least && number <= most))
    throw bad_request(path_of(name), "expected a number from {} to {}, found {}", least, most,
                      dump(*value));
  return number;
}

std::optional<std::string> Fields::text(std::string_view name) {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string())
    throw bad_request(path_of(name), "expected a text, found {}", kind_of(*value));
  return value->get<std::string>();
}

std::optional<std::vector<std::string>> Fields::texts(std::string_view name) {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_string()) return std::vector{value->get<std::string>()};
  if (!value->is_array())
    throw bad_request(path_of(name), "expected a text or a list of texts, found {}",
                      kind_of(*value));
  std::vector<std::string> texts;
  for (size_t i = 0; i < value->size(); ++i) {
    if (!(*value)[i].is_string())
      throw bad_request(fmt::format("{}[{}]", path_of(name), i), "expected a text, found {}",
                        kind_of((*value)[i]));
    texts.push_back((*value)[i].get<std::string>());
  }
  return texts;
}

const Json& Fields::required(std::string_view name) {
  const Json* value = find(name);
  if (value == nullptr) throw bad_request(path_of(name), "is missing");
  return *value;
}

std::string Fields::required_text(std::string_view name) {
  required(name);
  return *text(name);
}

void Fields::accept(std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) seen_.emplace(name);
}

std::vector<std::string> Fields::left() const {
  std::vector<std::string> left;
  for (const auto& [name, value] : object_.items()) {
    if (!seen_.contains(name)) left.push_back(name);
  }
  return left;
}

}  // namespace issun::serve
