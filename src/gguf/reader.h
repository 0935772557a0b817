// Opens a GGUF file (or the first of a split set): every number is checked against the file before
// use, tensors are seen in place in the mapping, nothing is copied.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "gguf/limits.h"
#include "gguf/metadata.h"
#include "tensor/tensor.h"

namespace issun::gguf {

class GgufFile {
 public:
  // Maps `path`, checks it whole (header, keys, tensor table, extents), and opens the other parts
  // when split.count > 1. Error: anything wrong, naming the thing and the expectation.
  static Result<GgufFile> open(const std::string& path);
  // From bytes in memory that outlive the result (tests, fuzzing) and start at a multiple of 8;
  // never split. `name` stands in error messages.
  static Result<GgufFile> parse(std::span<const std::byte> bytes, std::string_view name);

  const Metadata& metadata() const { return metadata_; }
  int version() const { return version_; }
  int64_t alignment() const { return alignment_; }
  std::span<const Tensor> tensors() const { return tensors_; }
  // The tensor of that name; a Tensor without data if there is none.
  Tensor find(std::string_view name) const;
  // All parts together, in bytes.
  int64_t file_bytes() const;
  int64_t data_bytes() const;  // tensors alone
  // Error when a part was found cut short since it was opened.
  Result<void> still_whole() const;
  std::span<const MappedFile> parts() const { return files_; }

 private:
  friend class Parser;
  Result<void> open_other_parts(int64_t count);

  std::vector<MappedFile> files_;
  Metadata metadata_;
  int version_ = 0;
  int64_t alignment_ = kDefaultAlignment;
  std::vector<Tensor> tensors_;
  std::map<std::string_view, size_t> index_;
  int64_t total_bytes_ = 0;
};

}  // namespace issun::gguf
