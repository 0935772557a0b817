#include "train/config_reader.h"

#include <cmath>

namespace issun::train {

const Json* ConfigReader::find(std::string_view key) {
  asked_.emplace(key);
  return object_.has(key) ? &object_[key] : nullptr;
}

template <class T>
Result<T> ConfigReader::missing(std::string_view key, const std::optional<T>& otherwise) const {
  if (otherwise) return *otherwise;
  return fail("{}.{}: expected this key, found none", name_, key);
}

Result<int64_t> ConfigReader::long_count(std::string_view key, int64_t least, int64_t most,
                                         std::optional<int64_t> otherwise) {
  const Json* value = find(key);
  if (value == nullptr) return missing(key, otherwise);
  if (!value->is_integer() || value->integer() < least || value->integer() > most) {
    return fail("{}.{}: expected a whole number from {} to {}, found {}", name_, key, least, most,
                value->is_number() ? fmt::format("{}", value->number()) : "something else");
  }
  return value->integer();
}

Result<int> ConfigReader::count(std::string_view key, int64_t least, int64_t most,
                                std::optional<int> otherwise) {
  std::optional<int64_t> wide;
  if (otherwise) wide = *otherwise;
  return static_cast<int>(TRY(long_count(key, least, most, wide)));
}

Result<double> ConfigReader::number(std::string_view key, double least, double most,
                                    std::optional<double> otherwise) {
  const Json* value = find(key);
  if (value == nullptr) return missing(key, otherwise);
  if (!value->is_number() || !(value->number() >= least && value->number() <= most)) {
    return fail("{}.{}: expected a number from {} to {}, found {}", name_, key, least, most,
                value->is_number() ? fmt::format("{}", value->number()) : "something else");
  }
  return value->number();
}

Result<bool> ConfigReader::flag(std::string_view key, bool otherwise) {
  const Json* value = find(key);
  if (value == nullptr) return otherwise;
  if (!value->is_bool()) return fail("{}.{}: expected true or false", name_, key);
  return value->boolean();
}

Result<std::string> ConfigReader::text(std::string_view key, std::optional<std::string> otherwise) {
  const Json* value = find(key);
  if (value == nullptr) return missing(key, otherwise);
  if (!value->is_string()) return fail("{}.{}: expected a text", name_, key);
  return value->text();
}

Result<const Json*> ConfigReader::object(std::string_view key) {
  const Json* value = find(key);
  if (value != nullptr && !value->is_object()) {
    return fail("{}.{}: expected an object", name_, key);
  }
  return value;
}

Result<void> ConfigReader::all_known() const {
  if (!object_.is_object()) return fail("{}: expected an object", name_);
  for (const auto& [key, value] : object_.members()) {
    if (asked_.find(key) == asked_.end()) return fail("{}.{}: no such key", name_, key);
  }
  return {};
}

}  // namespace issun::train
