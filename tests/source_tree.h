// Where the source tree is, for what tests read of it.
#pragma once

#include <cstdlib>
#include <string>

inline std::string source_path(const std::string& relative) {
  const char* source = std::getenv("ISSUN_SOURCE");
  return std::string(source != nullptr ? source : ".") + "/" + relative;
}
