// The tensors of a model directory: one safetensors file, or several with an index.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <string_view>

#include "safetensors/file.h"

namespace issun::safetensors {

class SafetensorsSet {
 public:
  // DIR/STEM.safetensors, or the files that DIR/STEM.safetensors.index.json lists. Error: anything
  // wrong with them, a tensor that the index promises and its file lacks, or one in two files.
  static Result<SafetensorsSet> open(const std::string& directory, std::string_view stem = "model");
  // One file.
  static Result<SafetensorsSet> open_file(const std::string& path);
  // Whether the directory has either.
  static bool exists(const std::string& directory, std::string_view stem = "model");

  const std::map<std::string_view, const StoredTensor*>& tensors() const { return tensors_; }
  // nullptr when absent.
  const StoredTensor* find(std::string_view name) const;
  const std::deque<SafetensorsFile>& files() const { return files_; }
  int64_t data_bytes() const;
  Result<void> still_whole() const;

 private:
  Result<void> add(SafetensorsFile file);

  std::deque<SafetensorsFile> files_;  // which stay where they are
  std::map<std::string_view, const StoredTensor*> tensors_;
};

}  // namespace issun::safetensors
