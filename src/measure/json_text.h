// Reports as JSON text.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace issun::measure {

// In place of a figure that this machine does not give.
constexpr const char* kUnavailable = "unavailable";

// Always UTF-8 and never an exception: what is none (a path, a name out of a file) becomes U+FFFD.
// indent: -1 puts all on one line.
inline std::string dump(const nlohmann::ordered_json& json, int indent = -1) {
  return json.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace issun::measure
