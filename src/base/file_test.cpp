#include "base/file.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/file_lock.h"
#include "base/memory.h"
#include "base/shared_library.h"
#include "scratch_folder.h"

using namespace issun;

namespace {

bool is_open(int descriptor) { return ::fcntl(descriptor, F_GETFD) != -1; }

}  // namespace

TEST_CASE("A moved buffer keeps its bytes, and what it replaces is given back at once") {
  AlignedBuffer first = *AlignedBuffer::create(64);
  first.as<int>()[0] = 7;
  AlignedBuffer second = std::move(first);
  CHECK(second.as<int>()[0] == 7);
  CHECK(first.data() == nullptr);
  CHECK(first.bytes() == 0);
  AlignedBuffer third = *AlignedBuffer::create(128);
  third = std::move(second);
  CHECK(third.as<int>()[0] == 7);
  CHECK(third.bytes() == 64);
  CHECK(second.data() == nullptr);
  CHECK(second.bytes() == 0);
}

TEST_CASE("A moved file stays open under its new holder, and what it replaces is closed at once") {
  const ScratchFolder folder;
  File first = *File::create(folder.path("first"));
  const int one = first.descriptor();
  File second = std::move(first);
  CHECK(first.descriptor() == -1);
  CHECK(second.descriptor() == one);
  CHECK(second.path() == folder.path("first"));
  File third = *File::create(folder.path("third"));
  const int replaced = third.descriptor();
  third = std::move(second);
  CHECK(third.descriptor() == one);
  CHECK(second.descriptor() == -1);
  CHECK_FALSE(is_open(replaced));
  CHECK(third.write("still open"));
  third = File();
  CHECK_FALSE(is_open(one));
  CHECK(*read_text(folder.path("first")) == "still open");
}

TEST_CASE("A moved mapping keeps its bytes and its watch over the file's length") {
  const ScratchFolder folder;
  REQUIRE(write_atomically(folder.path("a"), std::string(2 * 65536, 'a')));
  REQUIRE(write_atomically(folder.path("b"), "b"));
  MappedFile first = *MappedFile::open(folder.path("a"));
  MappedFile second = std::move(first);
  CHECK(first.bytes().empty());
  CHECK(first.still_whole());
  MappedFile third = *MappedFile::open(folder.path("b"));
  third = std::move(second);
  CHECK(second.bytes().empty());
  CHECK(third.path() == folder.path("a"));
  REQUIRE(third.bytes().size() == 2 * 65536);
  CHECK(third.bytes()[0] == std::byte{'a'});
  std::filesystem::resize_file(folder.path("a"), 10);
  CHECK(third.bytes()[65536] == std::byte{0});  // the handler still knows where it lies
  CHECK_FALSE(third.still_whole());
}

TEST_CASE("Mappings come and go without using up the room for them") {
  const ScratchFolder folder;
  REQUIRE(write_atomically(folder.path("a"), "a"));
  MappedFile held;
  for (int i = 0; i < 1000; ++i) {
    auto mapped = MappedFile::open(folder.path("a"));
    REQUIRE(mapped);
    held = std::move(*mapped);
  }
  CHECK(held.bytes().size() == 1);
}

TEST_CASE("An atomic file shows nothing until it is finished, and leaves nothing when it is not") {
  const ScratchFolder folder;
  REQUIRE(write_atomically(folder.path("file"), "old"));
  {
    AtomicFile unfinished = *AtomicFile::create(folder.path("file"));
    REQUIRE(unfinished.write("new"));
    CHECK(*read_text(folder.path("file")) == "old");
    AtomicFile moved = std::move(unfinished);
    CHECK_FALSE(unfinished.unfinished());
    CHECK(moved.unfinished());
  }
  CHECK(*read_text(folder.path("file")) == "old");
  CHECK(folder.count() == 1);
  AtomicFile finished = *AtomicFile::create(folder.path("file"));
  REQUIRE(finished.write("new"));
  REQUIRE(finished.finish());
  CHECK_FALSE(finished.unfinished());
  CHECK(*read_text(folder.path("file")) == "new");
  CHECK(folder.count() == 1);
}

TEST_CASE("A file for its owner alone is readable by nobody else, finished or not") {
  const ScratchFolder folder;
  const std::string path = folder.path("private");
  const auto mode_of = [](const std::string& of) {
    struct stat facts {};
    return ::stat(of.c_str(), &facts) == 0 ? facts.st_mode & 0777u : 0u;
  };
  AtomicFile file = *AtomicFile::create(path, Readers::Owner);
  REQUIRE(file.write("x"));
  for (const auto& entry : std::filesystem::directory_iterator(folder.path("")))
    CHECK(mode_of(entry.path()) == 0600);
  REQUIRE(file.finish());
  CHECK(mode_of(path) == 0600);
}

TEST_CASE("An atomic file goes through a link, and writes to a pipe without replacing it") {
  const ScratchFolder folder;
  REQUIRE(write_atomically(folder.path("file"), "old"));
  std::filesystem::create_symlink(folder.path("file"), folder.path("link"));
  REQUIRE(write_atomically(folder.path("link"), "new"));
  CHECK(std::filesystem::is_symlink(folder.path("link")));
  CHECK(*read_text(folder.path("file")) == "new");

  REQUIRE(::mkfifo(folder.path("pipe").c_str(), 0600) == 0);
  const int reader = ::open(folder.path("pipe").c_str(), O_RDWR);
  REQUIRE(write_atomically(folder.path("pipe"), "sent"));
  char sent[4] = {};
  CHECK(::read(reader, sent, 4) == 4);
  CHECK(std::string_view(sent, 4) == "sent");
  ::close(reader);
  CHECK(std::filesystem::is_fifo(folder.path("pipe")));
}

TEST_CASE("A full disk is an error with its name") {
  File full = *File::create("/dev/full");
  CHECK(full.write("much").error().message == "/dev/full: cannot write: No space left on device");
}

TEST_CASE("A file is written in any order, and a link is not written through") {
  const ScratchFolder folder;
  const std::string path = folder.path("file");
  {
    File file = *File::open_for_updating(path);
    REQUIRE(file.resize(6));
    REQUIRE(file.write_at(3, std::as_bytes(std::span("def", 3))));
    REQUIRE(file.write_at(0, std::as_bytes(std::span("abc", 3))));
  }
  File again = *File::open_for_updating(path);
  CHECK(*read_text(path) == "abcdef");
  REQUIRE(again.resize(2));
  CHECK(*read_text(path) == "ab");
  std::filesystem::create_symlink(path, folder.path("link"));
  CHECK(!File::open_for_updating(folder.path("link")));
}

TEST_CASE("A lock is held by one, and its file goes with it") {
  const ScratchFolder folder;
  const std::string path = folder.path("lock");
  auto held = FileLock::take(path, [] {});
  REQUIRE(held);
  CHECK(is_file(path));
  int waited = 0;
  const auto next = FileLock::take(path, [&] {
    if (++waited == 2) held->reset();
  });
  REQUIRE(next);
  CHECK(waited == 2);
  CHECK(is_file(path));
  CHECK(!FileLock::take(folder.path("no/such/folder"), [] {}));
}

TEST_CASE("A library that is not there is an error with its name, one that is gives functions") {
  CHECK(SharedLibrary::open({"libno-such-thing.so.1"}).error().message.find("libno-such-thing") !=
        std::string::npos);
  const auto library = SharedLibrary::open({"libno-such-thing.so.1", "libc.so.6"});
  REQUIRE(library);
  int (*function)(int) = nullptr;
  REQUIRE(library->find("abs", function));
  CHECK(function(-3) == 3);
  CHECK(!library->find("no_such_function", function));
}
