// Which servers run on this machine for this user: a file each, in a folder that only the user may
// read. Those of servers that died are recognised and removed.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace issun::serve {

struct RunningServer {
  int process_id = 0;
  std::string beginning;  // base/other_process.h
  std::string host;       // where it listens
  int port = 0;
  std::string model;    // what clients call it
  int64_t started = 0;  // seconds since 1970

  // Where this machine reaches it: http://127.0.0.1:8080
  std::string address() const;
  bool alive() const;
};

// $XDG_RUNTIME_DIR/issun, or run/ beside what is cached for the user: $XDG_CACHE_HOME/issun/run,
// ~/.cache/issun/run. Error: none of these is set.
Result<std::string> folder_of_running();

// A record of this process for as long as the object lives.
class RunningRecord {
 public:
  // Makes the folder. Error: the disk.
  static Result<std::unique_ptr<RunningRecord>> write(const std::string& folder,
                                                      const RunningServer& server);
  ~RunningRecord();
  RunningRecord(const RunningRecord&) = delete;
  RunningRecord& operator=(const RunningRecord&) = delete;

 private:
  explicit RunningRecord(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

// Those that are alive, the oldest first. What else is in the folder by such a name is removed.
Result<std::vector<RunningServer>> running_servers(const std::string& folder);

}  // namespace issun::serve
