// What HTTP carries, without how: requests as handlers see them, and the bytes of answers.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace issun::serve {

struct HttpRequest {
  std::string method;                                        // GET
  std::string path;                                          // /v1/models, percent signs decoded
  std::string query;                                         // behind the question mark, as it came
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;

  // The first of that name (in lower case); empty: none.
  std::string_view header(std::string_view name) const;
};

using Headers = std::vector<std::pair<std::string, std::string>>;

const char* reason_of(int status);
// "%E3%81%82" as bytes; what is no escape stays as it is.
std::string percent_decoded(std::string_view text);
// Status line and headers of an answer, the blank line included. length: of the body; -1: it comes
// in chunks.
std::string head_of(int status, const Headers& headers, int64_t length, bool keep_alive);
// A piece of a body that comes in chunks. An empty one would end it.
std::string chunk_of(std::string_view bytes);
constexpr std::string_view kLastChunk = "0\r\n\r\n";

}  // namespace issun::serve
