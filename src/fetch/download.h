// One file brought here from the web: in several streams where the server can, going on where an
// earlier try ended, whole and checked or not at all.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "fetch/http.h"

namespace issun::fetch {

struct RemoteFile {
  std::string url;
  std::string token = {};   // empty: none
  int64_t bytes = -1;       // what it should be; -1: not known
  std::string sha256 = {};  // what it should be; empty: not known
};

struct DownloadOptions {
  int streams = 4;
  int attempts = 6;  // in a row that bring nothing, before giving up
  // Bytes that are here, of how many.
  std::function<void(int64_t done, int64_t total)> on_progress = [](int64_t, int64_t) {};
  std::function<void(int64_t done, int64_t total)> on_check = [](int64_t, int64_t) {};
  std::function<void(const std::string&)> on_note = [](const std::string&) {};
};

struct Downloaded {
  int64_t bytes = 0;
  std::string sha256;      // of what is here now
  std::string validator;   // the server's word for this version of it; may be empty
  bool was_known = false;  // the sha256 was told beforehand, and is the same
};

// What the server says of the file, with its first bytes looked at. Error: no server, no such file,
// no GGUF, another length than `bytes`.
struct RemoteFacts {
  int64_t bytes = 0;
  std::string validator, sha256;  // either may be empty
  bool in_ranges = false;         // parts can be asked for
};
Result<RemoteFacts> look_at(Http& http, const RemoteFile& file, int attempts);

// Brings it to `path`, whose folder has to be there. Until it is whole it grows in path.part, with
// path.part.ranges beside it; both stay after an error that may pass, and Ctrl-C. The caller sees
// to it that no other process does the same. Error: describe(); the disk; what came is not what it
// should be (tried once more from the beginning before that is said).
Result<Downloaded> download(Http& http, const RemoteFile& file, const std::string& path,
                            const DownloadOptions& options);

}  // namespace issun::fetch
