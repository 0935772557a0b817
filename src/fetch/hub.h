// A hub of model repositories, by the interface that is known from Hugging Face: what files a
// repository has, and where they are.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "fetch/http.h"

namespace issun::fetch {

struct HubFile {
  std::string path;  // safe (expect_safe_path)
  int64_t bytes = 0;
  std::string sha256 = {};  // empty: the hub does not say
};

struct Hub {
  std::string endpoint;  // without a slash at the end
  std::string token;     // empty: none

  // Where a file of a repository is. The token is meant for this address.
  std::string file_url(std::string_view repository, std::string_view path) const;
  // The files that end in .gguf. Error: no hub, no such repository, an answer that is none; a path
  // that is not safe.
  Result<std::vector<HubFile>> list_models(Http& http, std::string_view repository,
                                           int attempts) const;
};

// Error: no address; a token that would go over the net in the open.
Result<Hub> make_hub(std::string_view endpoint, std::string_view token);

// The files of one page of the hub's answer. Error: as list_models.
Result<std::vector<HubFile>> read_file_list(std::string_view json);

// The address of the next page in a Link field; empty: this is the last one.
std::string next_page(std::string_view link);

}  // namespace issun::fetch
