// Reports as JSON text.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace issun::apps {

using Json = nlohmann::ordered_json;

// Always UTF-8 and never an exception: what is none (a path, a name out of a file) becomes U+FFFD.
// indent: -1 puts all on one line.
inline std::string dump(const Json& json, int indent = -1) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace issun::apps
