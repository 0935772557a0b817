// A model brought from a hub or an address to the store, all its files, checked.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "fetch/address.h"
#include "fetch/download.h"
#include "fetch/hub.h"
#include "fetch/store.h"

namespace issun::fetch {

struct PullOptions {
  std::string endpoint;     // of the hub; empty: kUsualEndpoint
  std::string token = {};   // for the hub alone; empty: none
  std::string sha256 = {};  // what the one file of an address has to have; empty: not told
  int streams = 4, attempts = 6;
  double stall_seconds = 30;
  std::string certificates = {};  // a file of whom to trust; empty: as the system has it
  // Where things stand. `what`: the file, and which of how many it is.
  std::function<void(const std::string& what, int64_t done, int64_t total)> on_progress;
  std::function<void(const std::string& what, int64_t done, int64_t total)> on_check;
  std::function<void(const std::string&)> on_note;  // a sentence
};

constexpr const char* kUsualEndpoint = "https://huggingface.co";

struct Pulled {
  StoredModel model;
  bool fetched = false;   // false: all of it was here, and is what the server has
  bool was_known = true;  // the server told every SHA-256, and they agree
};

// Repositories and addresses as they are; a name has to be that of a model in the store, which is
// brought up to date. Error: as download() and the hub; no GGUF model; Ctrl-C, after which the same
// call goes on.
Result<Pulled> pull(const Store& store, const Address& address, const PullOptions& options);

}  // namespace issun::fetch
