// What a person wrote to say which model they mean: a repository, an address on the web, or the
// name of one that is here.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace issun::fetch {

struct Address {
  enum class Kind { Repository, Url, Name };
  Kind kind = Kind::Name;
  std::string name = {};        // Kind::Name: as it was written
  std::string url = {};         // Kind::Url, without what stands behind '#'
  std::string repository = {};  // Kind::Repository: OWNER/NAME
  std::string type = {};        // of the weights, as written; empty: not said
  std::string file = {};        // a path in the repository; empty: not said

  // What `source` of a record says, and what brings the same again.
  std::string text() const;
};

// hf:OWNER/NAME, hf:OWNER/NAME:TYPE, hf:OWNER/NAME/FILE.gguf, http://..., https://..., url:ADDRESS
// (an address and nothing else), or else a name. Error: an address that is malformed, with what was
// expected.
Result<Address> parse_address(std::string_view text);

// "https://host:port" of an address, in lower case; what decides who may see a token.
std::string origin_of(std::string_view url);
// As it may stand in a message: without user, password and query, which may be secrets.
std::string shown_url(std::string_view url);
// The last name of the address's path, decoded. Error: it has none that may become a file's.
Result<std::string> file_of_url(std::string_view url);
// Everything but letters, digits and -._~/ as %XX.
std::string url_encoded_path(std::string_view path);

}  // namespace issun::fetch
