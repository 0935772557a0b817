#include "serve/fields.h"

#include <doctest/doctest.h>

using namespace issun::serve;

namespace {

// The field and the sentence of what was thrown.
template <class Body>
std::string error_of(const Body& body) {
  try {
    body();
  } catch (const ApiError& error) {
    return error.param + "|" + error.message;
  }
  return "nothing";
}

}  // namespace

TEST_CASE("A field of the wrong kind or out of range is named with what was expected") {
  const Json body = parse_body(R"({"a": 1.5, "b": "x", "c": 7, "d": [1], "e": null, "f": 1e300})");
  Fields fields(body, "options");
  CHECK(error_of([&] { fields.integer("a", 0, 9); }) ==
        "options.a|options.a: expected a whole number from 0 to 9, found 1.5");
  CHECK(error_of([&] { fields.number("b", 0, 1); }) ==
        "options.b|options.b: expected a number, found a text");
  CHECK(error_of([&] { fields.integer("c", 0, 5); }) ==
        "options.c|options.c: expected a whole number from 0 to 5, found 7");
  CHECK(error_of([&] { fields.texts("d"); }) ==
        "options.d[0]|options.d[0]: expected a text, found a number");
  CHECK(error_of([&] { fields.integer("f", 0, 5); }).find("1e+300") != std::string::npos);
  CHECK(error_of([&] { fields.required_text("e"); }) == "options.e|options.e: is missing");
  CHECK(fields.integer("e", 0, 1) == std::nullopt);
  CHECK(*fields.integer("c", 0, 7) == 7);
}

TEST_CASE("Fields that nobody asked for are known") {
  const Json body = parse_body(R"({"a": 1, "b": 2, "c": 3})");
  Fields fields(body);
  fields.integer("a", 0, 9);
  fields.accept({"c"});
  CHECK(fields.left() == std::vector<std::string>{"b"});
}

TEST_CASE("A body that is no object, no JSON, or too deep is refused") {
  CHECK(error_of([] { parse_body("[1]"); }).find("expected a JSON object, found a list") !=
        std::string::npos);
  CHECK(error_of([] { parse_body(R"({"a": )"); }).find("not JSON, at byte") != std::string::npos);
  CHECK(error_of([] { parse_body("{\"a\": \"\xff\"}"); }).find("not JSON") != std::string::npos);
  const std::string deep = R"({"a": )" + std::string(5000, '[') + std::string(5000, ']') + "}";
  CHECK(error_of([&] { parse_body(deep); }).find("deeper than 100") != std::string::npos);
  CHECK(error_of([] { parse_body(R"({"a": 1e999})"); }) != "nothing");
}

TEST_CASE("An object of too many fields is refused before it takes long to read") {
  const auto object = [](int fields) {
    std::string text = "{";
    for (int i = 0; i < fields; ++i) text += (i > 0 ? ",\"f" : "\"f") + std::to_string(i) + "\":0";
    return text + "}";
  };
  const std::string much = object(3000);
  CHECK(error_of([&] { parse_body("{\"a\":" + much + ",\"b\":" + much + "}"); }) == "nothing");
  CHECK(error_of([&] { parse_body("{\"a\":" + object(5000) + "}"); }).find("4096") !=
        std::string::npos);
  CHECK(error_of([&] { parse_body(object(2'000'000)); }).find("4096") != std::string::npos);
}
