// MappedFile where nothing can be mapped: the file is read into memory, whole, at once.
#include "base/file.h"
#include "base/wasm/heap.h"

namespace issun {

Result<MappedFile> MappedFile::open(const std::string& path) {
  MappedFile read;
  read.file_ = TRY(File::open_for_reading(path));
  const int64_t size = TRY(read.file_.size());
  if (size == 0) return read;
  void* data = take_memory(size);
  if (data == nullptr) {
    return fail(
        "{}: {} bytes do not fit into memory: WebAssembly addresses 4 GiB in all, half of "
        "them in one piece",
        path, size);
  }
  read.data_ = static_cast<const std::byte*>(data);
  read.size_ = size;
  TRY(read.file_.read_at(0, {static_cast<std::byte*>(data), static_cast<size_t>(size)}));
  return read;
}

MappedFile::~MappedFile() { std::free(const_cast<std::byte*>(data_)); }

int64_t MappedFile::resident_bytes() const { return size_; }

// What becomes of the file later changes nothing that was read.
Result<void> MappedFile::still_whole() const { return {}; }

}  // namespace issun
