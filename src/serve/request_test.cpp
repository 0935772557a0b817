// The seeds of request_fuzz: those that are right are read to the end, and those that are wrong
// refused.
#include <doctest/doctest.h>

#include <filesystem>

#include "base/file.h"
#include "serve/request_trial.h"

using namespace issun;
using namespace issun::serve;

TEST_CASE("Requests of every API are read, and what is wrong is the client's") {
  const char* source = std::getenv("ISSUN_SOURCE");
  const std::string folder =
      std::string(source == nullptr ? "." : source) + "/tests/corpus/request";
  if (!std::filesystem::is_directory(folder)) {
    MESSAGE("skipped: not run from the repository's root, and no ISSUN_SOURCE");
    return;
  }
  RequestTrial trial;
  int right = 0, wrong = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    const std::string name = file.path().filename();
    CAPTURE(name);
    const auto text = read_text(file.path());
    REQUIRE(text.has_value());
    const auto answer = trial.ask(*text);
    CAPTURE(answer->body);
    if (name.starts_with("right-")) {
      ++right;
      CHECK((answer->status == 503 || answer->status == 200));
    } else {
      ++wrong;
      CHECK((answer->status == 400 || answer->status == 404 || answer->status == 501));
    }
    CHECK(Json::accept(answer->body));
  }
  CHECK(right >= 12);
  CHECK(wrong >= 8);
}
