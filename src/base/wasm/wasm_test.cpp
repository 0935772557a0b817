// What is different without an operating system: what works all the same, and what is refused.
#include <doctest/doctest.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/threads.h"
#include "contains.h"
#include "scratch_folder.h"

using namespace issun;

TEST_CASE("One worker computes, and a second one cannot be had") {
  const auto one = Workers::create(1);
  REQUIRE(one.has_value());
  int64_t sum = 0;
  (*one)->for_each(1000, 7, [&](int64_t begin, int64_t end, int worker) {
    CHECK(worker == 0);
    for (int64_t i = begin; i < end; ++i) sum += i;
  });
  CHECK(sum == 499500);
  CHECK(default_thread_count() == 1);
  const auto two = Workers::create(2);
  REQUIRE(!two.has_value());
  CHECK(contains(two.error().message, "threads: cannot start number 2 of 2: "));
  CHECK(contains(two.error().message, "WebAssembly"));
}

TEST_CASE("Memory is zeros on a cache line, and more than there can be is refused") {
  for (const int64_t bytes : {1, 64, 100, 5 << 20}) {
    const auto buffer = AlignedBuffer::create(bytes);
    REQUIRE(buffer.has_value());
    CHECK(buffer->bytes() == bytes);
    CHECK(reinterpret_cast<uintptr_t>(buffer->data()) % kCacheLine == 0);
    int64_t others = 0;
    for (const std::byte byte : buffer->as<std::byte>()) others += byte != std::byte{0} ? 1 : 0;
    CHECK(others == 0);
    std::fill_n(buffer->data(), bytes, std::byte{1});  // for the next one that gets this memory
  }
  for (const int64_t bytes : {int64_t{1} << 31, int64_t{1} << 32, int64_t{1} << 40, INT64_MAX}) {
    CHECK(!AlignedBuffer::create(bytes).has_value());
    CHECK(!AlignedBuffer::reserve(bytes, false).has_value());
  }
  CHECK(contains(AlignedBuffer::create(int64_t{1} << 40).error().message, "4 GiB"));
}

TEST_CASE("A mapped file is what it was when it was opened, on a page") {
  const ScratchFolder folder;
  const std::string path = folder.path("file");
  const std::string text(70000, 'x');
  REQUIRE(write_atomically(path, text).has_value());
  auto opened = MappedFile::open(path);
  REQUIRE(opened.has_value());
  const MappedFile file = std::move(*opened);
  CHECK(opened->bytes().empty());
  REQUIRE(File::open_for_updating(path)->resize(10).has_value());
  REQUIRE(file.bytes().size() == text.size());
  CHECK(file.bytes().back() == std::byte{'x'});
  CHECK(file.still_whole().has_value());
  CHECK(reinterpret_cast<uintptr_t>(file.bytes().data()) % 4096 == 0);
  CHECK(file.resident_bytes() == 70000);
  REQUIRE(write_atomically(path, "").has_value());
  CHECK(MappedFile::open(path)->bytes().empty());
}

TEST_CASE("A file larger than memory can be is refused before it is read") {
  const ScratchFolder folder;
  const std::string path = folder.path("large");
  REQUIRE(File::create(path)->resize(int64_t{3} << 30).has_value());
  const auto opened = MappedFile::open(path);
  REQUIRE(!opened.has_value());
  CHECK(contains(opened.error().message, "large: 3221225472 bytes do not fit into memory"));
}

TEST_CASE("A file that nobody else may read is refused, since it would be readable") {
  const ScratchFolder folder;
  CHECK(!File::create(folder.path("secret"), Readers::Owner).has_value());
  CHECK(folder.empty());
}

TEST_CASE("An atomic file goes through a link") {
  const ScratchFolder folder;
  REQUIRE(write_atomically(folder.path("file"), "old"));
  REQUIRE(::symlink("file", folder.path("link").c_str()) == 0);
  REQUIRE(write_atomically(folder.path("link"), "new"));
  CHECK(*read_text(folder.path("file")) == "new");
  CHECK(folder.count() == 2);
}

TEST_CASE("The module knows what memory it has, and that time passes") {
  CHECK(cpu_facts().name == "WebAssembly");
  CHECK(resident_memory_bytes() > 0);
  const auto more = AlignedBuffer::create(200 << 20);
  CHECK(resident_memory_bytes() >= 200 << 20);
  CHECK(peak_memory_bytes() >= resident_memory_bytes());
  const double start = seconds_now();
  wait_seconds(0.02);
  CHECK(seconds_now() - start >= 0.02);
}
