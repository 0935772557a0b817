// A file that nobody else sees by name for long: in a folder of its own, gone with this object.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace issun {

// A new folder that the user alone may enter, in $TMPDIR or /tmp; the caller removes it.
Result<std::string> make_temporary_folder();

class TemporaryFile {
 public:
  // Chooses a name that ends in `name`; the caller writes the file. What is open when this object
  // goes stays readable to those who hold it.
  static Result<TemporaryFile> create(std::string_view name);
  TemporaryFile(TemporaryFile&& other) noexcept;
  TemporaryFile& operator=(TemporaryFile&&) = delete;
  ~TemporaryFile();

  const std::string& path() const { return path_; }

 private:
  TemporaryFile(std::string folder, std::string path)
      : folder_(std::move(folder)), path_(std::move(path)) {}
  std::string folder_, path_;  // empty once moved away
};

}  // namespace issun
