// Safetensors bytes made in memory, for tests and fuzzing.
#pragma once

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace issun::safetensors {

// The length of the table, the table, the data.
inline std::vector<std::byte> made_up_file(std::string_view table, std::string_view data) {
  const uint64_t length = table.size();
  std::string text(sizeof length, '\0');
  std::memcpy(text.data(), &length, sizeof length);
  text += table;
  text += data;
  const auto* bytes = reinterpret_cast<const std::byte*>(text.data());
  return {bytes, bytes + text.size()};
}

}  // namespace issun::safetensors
