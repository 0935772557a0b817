// A folder of its own for one test, gone with all its content when the test ends.
#pragma once

#include <doctest/doctest.h>
#include <stdlib.h>

#include <cstdint>
#include <filesystem>
#include <iterator>
#include <string>

class ScratchFolder {
 public:
  ScratchFolder() {
    folder_ = (std::filesystem::temp_directory_path() / "issun-test-XXXXXX").string();
    REQUIRE(mkdtemp(folder_.data()) != nullptr);
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  bool empty() const { return std::filesystem::is_empty(folder_); }
  // How many files are in it.
  int64_t count() const {
    return std::distance(std::filesystem::directory_iterator(folder_),
                         std::filesystem::directory_iterator());
  }

 private:
  std::string folder_;
};
