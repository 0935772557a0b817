// Where the bytes of weights come from: the file or files of a model, or what a test puts there.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/direct_file.h"

namespace issun::experts {

// Bytes of one of the files, anywhere in it.
struct Piece {
  int file = 0;
  int64_t offset = 0, bytes = 0;
};

class Source {
 public:
  // What offsets, lengths and addresses of reads are multiples of.
  static constexpr int64_t kBlock = DirectFile::kBlock;
  virtual ~Source() = default;
  // Called by many threads at once. Bytes behind the end of the file are left as they are. Error:
  // anything that keeps `out` from being what the file had when it was opened.
  virtual Result<void> read(int file, int64_t offset, std::span<std::byte> out) = 0;
};

// The files themselves.
class FileSource final : public Source {
 public:
  static Result<std::unique_ptr<FileSource>> open(std::span<const std::string> paths);
  Result<void> read(int file, int64_t offset, std::span<std::byte> out) override {
    return files_[static_cast<size_t>(file)].read_at(offset, out);
  }
  std::span<const DirectFile> files() const { return files_; }

 private:
  std::vector<DirectFile> files_;
};

// A piece as it is read: whole blocks, and where they go in the memory of what they belong to.
struct Extent {
  int file = 0;
  int64_t offset = 0, bytes = 0;  // multiples of Source::kBlock
  int64_t at = 0;                 // in the memory; a multiple of it too
};

// How some pieces lie in one piece of memory.
struct Placement {
  std::vector<Extent> extents;   // pieces that touch are read at once
  std::vector<int64_t> offsets;  // (pieces): where each begins
  int64_t bytes = 0;             // a multiple of Source::kBlock
};
Placement place(std::span<const Piece> pieces);

}  // namespace issun::experts
