// What is wrong with a request, as the client is told it.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>

#include "serve/json.h"

namespace issun::serve {

// Thrown by what reads a request and caught where requests are handled, and nowhere else.
struct ApiError {
  int status = 400;
  std::string message;
  std::string param = {};  // the field; empty: none
  std::string code = {};   // context_length_exceeded; empty: none
  Json details = {};       // further members of the error
  std::string allow = {};  // methods that are allowed, where the one asked with is not
};

// bad_request("top_k", "expected 0 or more, found {}", k)
template <class... Args>
ApiError bad_request(std::string param, fmt::format_string<Args...> format, Args&&... args) {
  std::string message = fmt::format(format, std::forward<Args>(args)...);
  if (!param.empty()) message = param + ": " + message;
  return {.status = 400, .message = std::move(message), .param = std::move(param)};
}

// {"error": {...}} as the OpenAI API has it.
Json to_json(const ApiError& error);

}  // namespace issun::serve
