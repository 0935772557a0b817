#include "base/folder.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include "base/file.h"
#include "scratch_folder.h"

using namespace issun;

TEST_CASE("A folder lists its names in order, and what is no folder is an error with its name") {
  const ScratchFolder scratch;
  for (const char* name : {"b", "a10", "a2", ".hidden"}) {
    REQUIRE(write_atomically(scratch.path(name), "x"));
  }
  const std::vector<std::string> expected = {".hidden", "a10", "a2", "b"};
  CHECK(*list_folder(scratch.path("")) == expected);
  CHECK(list_folder(scratch.path("none")).error().message ==
        scratch.path("none") + ": cannot open the folder: No such file or directory");
  CHECK_FALSE(list_folder(scratch.path("b")));
}

TEST_CASE("A folder is made once, and a file in its place is an error") {
  const ScratchFolder scratch;
  CHECK(make_folder(scratch.path("new")));
  CHECK(make_folder(scratch.path("new")));
  CHECK(sync_folder(scratch.path("new")));
  CHECK_FALSE(make_folder(scratch.path("none/deeper")));
  REQUIRE(write_atomically(scratch.path("file"), "x"));
  CHECK_FALSE(make_folder(scratch.path("file")));
  CHECK_FALSE(sync_folder(scratch.path("file")));
  CHECK(remove_file(scratch.path("file")));
  CHECK(remove_file(scratch.path("file")));
  CHECK_FALSE(remove_file(scratch.path("new")));
}

TEST_CASE("A file opened for appending keeps what it has") {
  const ScratchFolder scratch;
  for (const char* text : {"one\n", "two\n"}) {
    File file = *File::open_for_appending(scratch.path("log"));
    REQUIRE(file.write(text));
    REQUIRE(file.sync());
    REQUIRE(file.finish());
  }
  CHECK(*read_text(scratch.path("log")) == "one\ntwo\n");
}

TEST_CASE("Files below a folder come in the order of their names, without hidden ones or loops") {
  const ScratchFolder scratch;
  REQUIRE(make_folder(scratch.path("b")));
  REQUIRE(make_folder(scratch.path("b/c")));
  for (const char* name : {"z.txt", "a.md", "b/2", "b/c/1", ".hidden"}) {
    REQUIRE(write_atomically(scratch.path(name), "text"));
  }
  REQUIRE(::symlink("..", scratch.path("b/up").c_str()) == 0);
  REQUIRE(::symlink("z.txt", scratch.path("y").c_str()) == 0);
  const auto files = files_below(scratch.path(""));
  REQUIRE_MESSAGE(files.has_value(), files.error().message);
  std::vector<std::string> expected;
  for (const char* name : {"a.md", "b/2", "b/c/1", "y", "z.txt"}) {
    expected.push_back(scratch.path(name));
  }
  CHECK(*files == expected);
}

TEST_CASE("A folder that is not there is named") {
  const auto files = files_below("no/such/folder");
  REQUIRE_FALSE(files);
  CHECK(files.error().message.find("no/such/folder: cannot open the folder") == 0);
}
