// JSON of requests and answers.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace issun::serve {

using Json = nlohmann::ordered_json;

// On one line, always UTF-8: what is none becomes U+FFFD.
inline std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace issun::serve
