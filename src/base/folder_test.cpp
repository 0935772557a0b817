#include "base/folder.h"

#include <doctest/doctest.h>

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
