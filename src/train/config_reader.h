// Typed access to an object of a configuration file: every key has a kind and a range, and a key
// that nobody asks for is an error.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/json.h"

namespace issun::train {

class ConfigReader {
 public:
  // `name` stands in front of keys in messages: "training".
  ConfigReader(const Json& object, std::string name) : object_(object), name_(std::move(name)) {}

  bool has(std::string_view key) const { return object_.has(key); }
  // Errors name the key, what was expected and what was found. Without `otherwise` a key has to be
  // there.
  Result<int> count(std::string_view key, int64_t least, int64_t most,
                    std::optional<int> otherwise = {});
  Result<int64_t> long_count(std::string_view key, int64_t least, int64_t most,
                             std::optional<int64_t> otherwise = {});
  Result<double> number(std::string_view key, double least, double most,
                        std::optional<double> otherwise = {});
  Result<bool> flag(std::string_view key, bool otherwise);
  Result<std::string> text(std::string_view key, std::optional<std::string> otherwise = {});
  // A member that is an object, or null where there is none.
  Result<const Json*> object(std::string_view key);

  // Error: not an object at all, or a key that was not asked for.
  Result<void> all_known() const;

 private:
  const Json* find(std::string_view key);
  template <class T>
  Result<T> missing(std::string_view key, const std::optional<T>& otherwise) const;

  const Json& object_;
  const std::string name_;
  std::set<std::string, std::less<>> asked_;
};

}  // namespace issun::train
