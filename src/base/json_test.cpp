#include "base/json.h"

#include <doctest/doctest.h>

#include <vector>

#include "base/file.h"
#include "base/folder.h"
#include "base/json_reader.h"
#include "shared_data.h"

namespace issun {
namespace {

std::string error_of(std::string_view text) {
  const auto parsed = Json::parse(text);
  return parsed ? "" : parsed.error().message;
}

}  // namespace

TEST_CASE("a JSON tree keeps the order, tells integers from floats and misses nothing quietly") {
  const auto json =
      Json::parse(R"( {"b": [1, 2.5, "x\u00e9\ud83d\ude00", true, null], "a": {"k": -3}} )");
  REQUIRE(json.has_value());
  CHECK(json->members()[0].first == "b");
  const auto& items = (*json)["b"].items();
  REQUIRE(items.size() == 5);
  CHECK((items[0].is_integer() && items[0].integer() == 1));
  CHECK((!items[1].is_integer() && items[1].number() == 2.5));
  CHECK(items[2].is("x\u00e9\U0001F600"));
  CHECK(items[3].is_true());
  CHECK(items[4].is_null());
  CHECK((*json)["a"]["k"].integer() == -3);
  CHECK((*json)["no"]["such"]["thing"].is_null());
  CHECK((*json)["b"]["k"].is_null());
}

TEST_CASE("malformed JSON is refused with its place") {
  CHECK(error_of("[01]") == "JSON: no number at byte 1");
  CHECK(error_of("[1.]") == "JSON: no number at byte 1");
  CHECK(error_of("[\"\x01\"]") == "JSON: a control character in a string at byte 2");
  CHECK(error_of("[\"\xff\"]") == "JSON: no UTF-8 at byte 2");
  CHECK(error_of("[1,]") == "JSON: unexpected character at byte 3");
  CHECK(error_of("[" + std::string(300, '[')) == "JSON: nested deeper than 200 levels");
}

TEST_CASE("a reader says which kind of value it found instead") {
  JsonReader reader("{\"a\": \"text\"}");
  const auto read = reader.object([&](const std::string&) -> Result<void> {
    TRY(reader.number());
    return {};
  });
  REQUIRE(!read.has_value());
  CHECK(read.error().message == "JSON: expected a number, found a string at byte 6");
}

TEST_CASE("JSON that has to be accepted is, and what has to be refused is") {
  const std::string folder = "data/conformance/json-parsing";
  if (!have_shared(folder)) return;
  int seen = 0;
  const auto files = files_below(shared_path(folder));
  REQUIRE(files.has_value());
  for (const std::string& path : *files) {
    const std::string name = path.substr(path.rfind('/') + 1);
    if (!name.starts_with("y_") && !name.starts_with("n_")) continue;
    ++seen;
    const auto text = read_text(path);
    REQUIRE(text.has_value());
    CHECK_MESSAGE(Json::parse(*text).has_value() == name.starts_with("y_"), name);
  }
  CHECK(seen > 200);
}

}  // namespace issun
