// A lock that processes take by the name of a file; it goes when its holder dies.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"

namespace issun {

class FileLock {
 public:
  // Makes the file and holds it; while another process does, waits and calls `waiting` now and
  // then. The file goes with this object. Error: it cannot be made or locked; Ctrl-C while waiting.
  static Result<std::unique_ptr<FileLock>> take(const std::string& path,
                                                const std::function<void()>& waiting);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  FileLock(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  std::string path_;
  int descriptor_;
};

}  // namespace issun
