#include "base/other_process.h"

#include <doctest/doctest.h>

using namespace issun;

TEST_CASE("A process is told from another by when it began") {
  const std::string own = process_beginning(own_process_id());
  CHECK_FALSE(own.empty());
  CHECK(own.find_first_not_of("0123456789") == std::string::npos);
  CHECK(own == process_beginning(own_process_id()));
  CHECK(process_beginning(1) != own);
  CHECK(process_beginning(0).empty());
  CHECK(process_beginning(1 << 29).empty());
}

TEST_CASE("Only what is one process is asked to end") {
  for (const int none : {0, -1, -own_process_id()}) CHECK_FALSE(ask_to_end(none).has_value());
  const auto gone = ask_to_end(1 << 29);
  REQUIRE_FALSE(gone.has_value());
  CHECK(gone.error().message.find("No such process") != std::string::npos);
}
