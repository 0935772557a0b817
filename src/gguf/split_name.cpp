#include "gguf/split_name.h"

#include <fmt/format.h>

namespace issun::gguf {

std::string split_path(std::string_view prefix, int64_t number, int64_t count) {
  return fmt::format("{}-{:05}-of-{:05}.gguf", prefix, number, count);
}

std::optional<std::string> split_prefix(std::string_view first_path, int64_t count) {
  const std::string ending = split_path("", 1, count);
  if (!first_path.ends_with(ending)) return std::nullopt;
  return std::string(first_path.substr(0, first_path.size() - ending.size()));
}

}  // namespace issun::gguf
