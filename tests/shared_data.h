// The conformance data beside the source tree: where it is, and a spoken skip where it is not.
#pragma once

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

inline std::string shared_path(const std::string& relative) {
  const char* root = std::getenv("ISSUN_SHARED");
  return std::string(root != nullptr ? root : "../shared") + "/" + relative;
}

// False, with a message, when the data is not on this machine.
inline bool have_shared(const std::string& relative) {
  if (std::filesystem::exists(shared_path(relative))) return true;
  MESSAGE("skipped: no " << relative << " (no shared data)");
  return false;
}

inline std::vector<std::byte> read_shared(const std::string& relative) {
  std::ifstream file(shared_path(relative), std::ios::binary);
  REQUIRE_MESSAGE(file.good(), "cannot read " << relative);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const auto* data = reinterpret_cast<const std::byte*>(text.data());
  return {data, data + text.size()};
}
