#include "fetch/journal.h"

#include <doctest/doctest.h>

#include "base/folder.h"
#include "scratch_folder.h"

namespace issun::fetch {

TEST_CASE("stretches are merged, and what is missing is cut into pieces") {
  Stretches done;
  CHECK(done.missing(10, 4) == std::vector<Stretch>{{0, 4}, {4, 8}, {8, 10}});
  done.add({4, 6});
  done.add({8, 9});
  done.add({6, 7});
  CHECK(done.all() == std::vector<Stretch>{{4, 7}, {8, 9}});
  CHECK(done.bytes() == 4);
  CHECK(done.missing(10, 100) == std::vector<Stretch>{{0, 4}, {7, 8}, {9, 10}});
  done.add({0, 10});
  CHECK(done.all() == std::vector<Stretch>{{0, 10}});
  CHECK(done.missing(10, 3).empty());
  done.add({3, 3});
  CHECK(done.bytes() == 10);
}

TEST_CASE("a journal is gone on with when it is of the same file") {
  const ScratchFolder folder;
  const std::string path = folder.path("x.part.ranges");
  const FileFacts facts{.bytes = 100, .validator = "\"one\"", .sha256 = ""};
  {
    auto journal = Journal::open(path, facts);
    REQUIRE(journal);
    CHECK(!journal->resumed());
    REQUIRE(journal->add({0, 10}));
    REQUIRE(journal->add({50, 60}));
  }
  CHECK(Journal::open(path, facts)->done().all() == std::vector<Stretch>{{0, 10}, {50, 60}});
  const std::string sum(64, 'a');
  for (const FileFacts& other : {FileFacts{101, "\"one\"", ""}, FileFacts{100, "\"two\"", ""},
                                 FileFacts{100, "\"one\"", sum}, FileFacts{100, "", ""}}) {
    CHECK(!other.goes_on_from(facts));
  }
  const auto replaced = Journal::open(path, {100, "\"two\"", ""});
  REQUIRE(replaced);
  CHECK(replaced->replaced());
  CHECK(replaced->done().bytes() == 0);
  // With a sum, another server's word for the version does not count.
  CHECK(FileFacts{100, "x", sum}.goes_on_from({100, "y", sum}));
  CHECK(!FileFacts{100, "", ""}.goes_on_from({100, "", ""}));
}

TEST_CASE("a journal that was cut short or spoilt gives what is whole of it") {
  const std::string head = "issun part 1\nbytes 100\nvalidator \"v\"\nsha256 \n";
  CHECK(parse_journal(head + "done 0 10\ndone 20 3")->done.all() == std::vector<Stretch>{{0, 10}});
  CHECK(parse_journal(head + "done 0 10\ndone 90 101\ndone 20 30\n")->done.bytes() == 10);
  for (const char* line : {"done 5 5\n", "done -1 5\n", "done 5\n", "done a b\n", "gone 0 5\n",
                           "done 0 99999999999999999999\n"}) {
    CAPTURE(line);
    CHECK(parse_journal(head + line)->done.bytes() == 0);
  }
  for (const char* text : {"", "issun part 2\n", "issun part 1\nbytes x\nvalidator \nsha256 \n",
                           "issun part 1\nbytes 5\n"}) {
    CAPTURE(text);
    CHECK(!parse_journal(text));
  }
}

}  // namespace issun::fetch
