// Writes a GGUF file from front to back: metadata, the tensor table, then the tensors' bytes in
// that order. The file appears under its name whole or not at all, as AtomicFile has it.
#pragma once

#include <array>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "gguf/limits.h"
#include "gguf/metadata.h"
#include "tensor/dtype.h"

namespace issun::gguf {

// The sizes of a tensor as a file has them: without the ones at the end.
std::span<const int64_t> without_trailing_ones(const std::array<int64_t, 4>& size);

class GgufWriter {
 public:
  // Error: the file cannot be created, or no such alignment (limits.h).
  static Result<GgufWriter> create(const std::string& path, int64_t alignment = kDefaultAlignment);

  // Strings are copied. Error: the key is set already or too long, the value does not fit its type,
  // data has begun, or the key is general.alignment (create() sets it).
  Result<void> set(std::string_view key, const Value& value);
  // All keys of another file, but those set here already and those that describe its container
  // (general.alignment, split.*).
  Result<void> copy(const Metadata& metadata);

  // One to four sizes, row length first. Error: a tensor of that name is there, the size is
  // impossible, or data has begun.
  Result<void> add_tensor(std::string_view name, DType type, std::span<const int64_t> size);

  // The next bytes of the current tensor, any number at a time; the next tensor becomes current
  // when one is complete, its padding is written here. Error: more bytes than the current tensor
  // lacks, or the disk.
  Result<void> append(std::span<const std::byte> bytes);
  // Bytes that the current tensor still lacks; 0 when all are complete.
  int64_t missing_bytes() const;

  // Error: a tensor lacks bytes, which is named; or the disk. After an error, here or above, the
  // file does not appear.
  Result<void> finish();

 private:
  struct Planned {
    std::string name;
    int64_t bytes;
  };
  GgufWriter(std::string path, AtomicFile file, int64_t alignment);
  Result<void> check_kept() const;
  Result<void> check_open(std::string_view what) const;
  Result<void> append_to_current(std::span<const std::byte> bytes);
  Result<void> finish_all();
  Result<void> begin_data();
  Result<void> write(std::string_view bytes);
  Result<void> flush();
  Result<void> pad();

  std::string path_;
  AtomicFile file_;
  int64_t alignment_;
  std::set<std::string, std::less<>> keys_, names_;
  std::string metadata_bytes_, table_bytes_;  // as in the file
  std::vector<Planned> tensors_;
  int64_t planned_bytes_ = 0;  // of the tensors added so far, padded
  bool data_begun_ = false;
  size_t current_ = 0;         // the tensor being written
  int64_t current_bytes_ = 0;  // of it written so far
  int64_t written_ = 0;        // bytes of the file so far
  std::string buffer_;         // of these, those not yet handed to the system
};

}  // namespace issun::gguf
