#include "measure/item_log.h"

#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "base/file.h"
#include "measure/json_lines.h"
#include "scratch_folder.h"

using namespace issun;
using namespace issun::measure;
using Line = nlohmann::ordered_json;

namespace {

const Line kRun = {{"issun_eval", "test"}, {"model_hash", "aa"}, {"context", 512}};

}  // namespace

TEST_CASE("a run that was interrupted goes on and measures only what is missing") {
  const ScratchFolder folder;
  const std::string path = folder.path("log");
  const std::vector<int64_t> items = {1, 4, 7};
  int measured = 0;
  const auto measure = [&](int64_t item) -> Result<Line> {
    if (item == 7 && measured == 2) return fail("interrupted");
    ++measured;
    return Line{{"square", item * item}, {"share", 0.1}};
  };
  {
    auto log = ItemLog::open(path, kRun);
    REQUIRE_MESSAGE(log.has_value(), log.error().message);
    const auto results = run_items(items, *log, measure, nullptr);
    REQUIRE_FALSE(results.has_value());
    CHECK(results.error().message == "item 7: interrupted");
  }
  std::ofstream(path, std::ios::app) << R"({"item": 7, "squ)";  // killed while it wrote
  measured = 10;
  auto log = ItemLog::open(path, kRun);
  REQUIRE_MESSAGE(log.has_value(), log.error().message);
  int64_t told = 0;
  const auto results =
      run_items(items, *log, measure, [&](int64_t, int64_t, int64_t newly) { told = newly; });
  REQUIRE(results.has_value());
  CHECK(measured == 11);
  CHECK(told == 1);
  for (size_t i = 0; i < 3; ++i) {
    CHECK(*integer_of(*(*results)[i], "square") == items[i] * items[i]);
    CHECK(*number_of(*(*results)[i], "share") == 0.1);
  }
  const std::string text = read_text(path).value();
  CHECK(std::count(text.begin(), text.end(), '\n') == 4);
}

TEST_CASE("results of another run, or what are none, are refused and left alone") {
  const ScratchFolder folder;
  const std::string path = folder.path("log");
  REQUIRE(ItemLog::open(path, kRun).has_value());
  Line other = kRun;
  other["model_hash"] = "bb";
  const auto refused = ItemLog::open(path, other);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().message.find("expected model_hash \"bb\"") != std::string::npos);
  CHECK(refused.error().message.find("found \"aa\"") != std::string::npos);
  CHECK(ItemLog::open(path, kRun).has_value());
  const std::string deep = "{\"issun_eval\":" + std::string(100000, '[') + "}\n";
  const std::string sound = "{\"issun_eval\":\"test\",\"model_hash\":\"aa\",\"context\":512}\n";
  for (const std::string& text :
       std::vector<std::string>{"my notes", "my notes\n", "{}\n", "{\"issun_eval\":\"test\"}\n",
                                "[1]\n", deep, sound + "7\n", sound + "{}\n"}) {
    CAPTURE(text);
    std::ofstream(path, std::ios::trunc) << text;
    CHECK_FALSE(ItemLog::open(path, kRun).has_value());
    CHECK(read_text(path).value() == text);
  }
  CHECK_FALSE(ItemLog::open(folder.path("no/such/log"), kRun).has_value());
}

TEST_CASE("items are the first, or some by chance, always the same for a seed") {
  CHECK(choose_items(5, 0, std::nullopt) == std::vector<int64_t>{0, 1, 2, 3, 4});
  CHECK(choose_items(5, 9, 3) == std::vector<int64_t>{0, 1, 2, 3, 4});
  CHECK(choose_items(5, 2, std::nullopt) == std::vector<int64_t>{0, 1});
  const auto chosen = choose_items(1000, 100, 3);
  CHECK(chosen.size() == 100);
  CHECK(std::is_sorted(chosen.begin(), chosen.end()));
  CHECK(std::set<int64_t>(chosen.begin(), chosen.end()).size() == 100);
  CHECK(chosen == choose_items(1000, 100, 3));
  CHECK(chosen != choose_items(1000, 100, 4));
  CHECK(chosen.back() > 900);
}

TEST_CASE("lines are objects, and an error says where") {
  int lines = 0;
  const auto count = [&](const Json& object) -> Result<void> {
    lines += static_cast<int>(TRY(integer_of(object, "n")));
    return {};
  };
  CHECK(for_each_json_line("{\"n\": 1}\n\n  \r\n{\"n\": 2}", "f", count).has_value());
  CHECK(lines == 3);
  const auto message = [&](std::string_view text) {
    return for_each_json_line(text, "f", count).error().message;
  };
  CHECK(message("{\"n\": 1}\n[]\n").starts_with("f:2: expected a JSON object"));
  CHECK(message("{\"n\": 1}\n{\"n\": \"1\"}").starts_with("f:2: expected a whole number as \"n\""));
  CHECK(message("{\"n\": 1").starts_with("f:1: "));
  CHECK(message("{\"n\": 1.5}").starts_with("f:1: "));
  CHECK(message("\x1f\x8b\x08").find("gzip") != std::string::npos);
}
