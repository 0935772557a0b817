#include "base/folder.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "base/file.h"
#include "scratch_folder.h"

using namespace issun;

TEST_CASE("Files below a folder come in the order of their names, without hidden ones or loops") {
  const ScratchFolder scratch;
  std::filesystem::create_directories(scratch.path("b/c"));
  for (const char* name : {"z.txt", "a.md", "b/2", "b/c/1", ".hidden"}) {
    REQUIRE(write_atomically(scratch.path(name), "text"));
  }
  std::filesystem::create_symlink("..", scratch.path("b/up"));
  std::filesystem::create_symlink("z.txt", scratch.path("y"));
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
  CHECK(files.error().message.find("no/such/folder: cannot read this folder") == 0);
}
