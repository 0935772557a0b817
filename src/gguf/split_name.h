// Names of the parts of a split file: NAME-00001-of-00003.gguf.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace issun::gguf {

// The path of part `number` (from 1) of `count`.
std::string split_path(std::string_view prefix, int64_t number, int64_t count);
// What precedes "-00001-of-COUNT.gguf" in the path of the first part; nullopt when the path does
// not end so.
std::optional<std::string> split_prefix(std::string_view first_path, int64_t count);

}  // namespace issun::gguf
