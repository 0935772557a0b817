#include "base/direct_file.h"

#include <doctest/doctest.h>

#include <cstring>

#include "base/memory.h"
#include "scratch_folder.h"

using namespace issun;

namespace {
constexpr int64_t kBlock = DirectFile::kBlock;

std::string some_bytes(size_t count) {
  std::string bytes(count, '\0');
  for (size_t i = 0; i < count; ++i) bytes[i] = static_cast<char>(i * 31 + i / 4096);
  return bytes;
}
}  // namespace

TEST_CASE("A file read past the page cache has its own bytes, also at its ragged end") {
  ScratchFolder folder;
  const std::string path = folder.path("data"), bytes = some_bytes(5 * kBlock + 77);
  REQUIRE(write_atomically(path, bytes));
  const DirectFile file = *DirectFile::open(path);
  CHECK(file.size() == static_cast<int64_t>(bytes.size()));
  const AlignedBuffer memory = *AlignedBuffer::create(3 * kBlock);
  for (const int64_t offset : {int64_t{0}, 2 * kBlock, 3 * kBlock, 5 * kBlock}) {
    std::memset(memory.data(), 0x55, static_cast<size_t>(3 * kBlock));
    REQUIRE(file.read_at(offset, {memory.data(), static_cast<size_t>(3 * kBlock)}));
    const size_t there = std::min<size_t>(bytes.size() - static_cast<size_t>(offset), 3 * kBlock);
    CHECK(std::memcmp(memory.data(), bytes.data() + offset, there) == 0);
  }
  CHECK(forget_cached(path));
}

TEST_CASE("A file that is cut short or written to while it is in use is refused from then on") {
  ScratchFolder folder;
  const std::string path = folder.path("data"), bytes = some_bytes(4 * kBlock);
  const AlignedBuffer memory = *AlignedBuffer::create(kBlock);
  const std::span<std::byte> block(memory.data(), static_cast<size_t>(kBlock));
  for (const int64_t cut : {2 * kBlock, 4 * kBlock + 1}) {
    REQUIRE(write_atomically(path, bytes));
    const DirectFile file = *DirectFile::open(path);
    REQUIRE(file.read_at(kBlock, block));
    REQUIRE(File::open_for_updating(path)->resize(cut));
    const auto read = file.read_at(kBlock, block);
    REQUIRE(!read);
    CHECK(read.error().message.find("changed while it was in use") != std::string::npos);
  }
  // One that takes the name is another file: what was opened goes on.
  REQUIRE(write_atomically(path, bytes));
  const DirectFile file = *DirectFile::open(path);
  REQUIRE(write_atomically(path, "short"));
  CHECK(file.read_at(kBlock, block));
  CHECK(!file.same_file(*File::open_for_reading(path)));
}

TEST_CASE("A file that is not there cannot be read past the page cache, and says so") {
  ScratchFolder folder;
  CHECK(!DirectFile::open(folder.path("none")));
  CHECK(!forget_cached(folder.path("none")));
}
