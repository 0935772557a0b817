// A folder of its own for one test, gone with all its content when the test ends.
#pragma once

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "base/folder.h"
#include "base/temporary.h"

class ScratchFolder {
 public:
  ScratchFolder() {
    const auto made = issun::make_temporary_folder();
    REQUIRE(made.has_value());
    folder_ = *made;
  }
  ~ScratchFolder() { remove(folder_); }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  bool empty() const { return count() == 0; }
  // How many files are in it.
  int64_t count() const {
    const auto names = issun::list_folder(folder_);
    REQUIRE(names.has_value());
    return static_cast<int64_t>(names->size());
  }

 private:
  // What is no folder goes by unlink, links to folders too.
  static void remove(const std::string& path) {
    if (::unlink(path.c_str()) == 0) return;
    if (const auto names = issun::list_folder(path))
      for (const std::string& name : *names) remove(path + "/" + name);
    ::rmdir(path.c_str());
  }
  std::string folder_;
};
