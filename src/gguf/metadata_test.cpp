#include "gguf/metadata.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "gguf/value.h"

using namespace issun;
using namespace issun::gguf;

namespace {

Metadata example() {
  Metadata metadata;
  REQUIRE(metadata.add("u32", make_u32(7)).has_value());
  REQUIRE(metadata.add("i32", make_i32(-7)).has_value());
  REQUIRE(metadata.add("f32", make_f32(0.5f)).has_value());
  REQUIRE(metadata.add("bool", make_bool(true)).has_value());
  REQUIRE(metadata.add("string", make_string("text")).has_value());
  REQUIRE(metadata.add("i32s", make_i32s(std::vector<int32_t>{1, -2})).has_value());
  REQUIRE(metadata.add("f32s", make_f32s(std::vector<float>{1, 2.5f})).has_value());
  REQUIRE(metadata.add("strings", make_strings({"a", "b"})).has_value());
  REQUIRE(metadata.add("bools", make_bools({false, true})).has_value());
  return metadata;
}

template <class T>
bool converts(std::string_view key) {
  return example().get<T>(key).has_value();
}

}  // namespace

TEST_CASE("a value is had as every type that holds it, and as no other") {
  const Metadata metadata = example();
  CHECK(*metadata.require<int64_t>("u32") == 7);
  CHECK(*metadata.require<int64_t>("i32") == -7);
  CHECK(*metadata.require<double>("u32") == 7.0);
  CHECK(*metadata.require<double>("i32") == -7.0);
  CHECK(*metadata.require<double>("f32") == 0.5);
  CHECK(*metadata.require<bool>("bool"));
  CHECK(*metadata.require<std::string_view>("string") == "text");
  CHECK(*metadata.require<std::vector<int64_t>>("i32s") == std::vector<int64_t>{1, -2});
  CHECK(*metadata.require<std::vector<double>>("f32s") == std::vector<double>{1, 2.5});
  CHECK(*metadata.require<std::vector<std::string_view>>("strings") ==
        std::vector<std::string_view>{"a", "b"});
  CHECK(*metadata.require<std::vector<bool>>("bools") == std::vector<bool>{false, true});

  const std::string_view keys[] = {"u32",  "i32",  "f32",     "bool", "string",
                                   "i32s", "f32s", "strings", "bools"};
  for (const std::string_view key : keys) {
    CAPTURE(key);
    CHECK(converts<int64_t>(key) == (key == "u32" || key == "i32"));
    CHECK(converts<double>(key) == (key == "u32" || key == "i32" || key == "f32"));
    CHECK(converts<bool>(key) == (key == "bool"));
    CHECK(converts<std::string_view>(key) == (key == "string"));
    CHECK(converts<std::vector<int64_t>>(key) == (key == "i32s"));
    CHECK(converts<std::vector<double>>(key) == (key == "f32s"));
    CHECK(converts<std::vector<std::string_view>>(key) == (key == "strings"));
    CHECK(converts<std::vector<bool>>(key) == (key == "bools"));
  }
}

TEST_CASE("errors name the key, what was expected and what was found") {
  const Metadata metadata = example();
  CHECK(metadata.get<int64_t>("string").error().message ==
        "string: expected an integer, found string");
  CHECK(metadata.get<bool>("u32").error().message == "u32: expected a bool, found u32");
  CHECK(metadata.get<std::vector<std::string_view>>("f32s").error().message ==
        "f32s: expected an array of strings, found array of f32");
  CHECK(metadata.require<double>("absent").error().message ==
        "absent: expected a number, found no such key");
  CHECK(metadata.value_or<int64_t>("f32", 3).error().message ==
        "f32: expected an integer, found f32");
}

TEST_CASE("what is absent is no error where a default stands") {
  const Metadata metadata = example();
  CHECK(!metadata.get<int64_t>("absent")->has_value());
  CHECK(*metadata.value_or<int64_t>("absent", 3) == 3);
  CHECK(*metadata.value_or<int64_t>("u32", 3) == 7);
  CHECK(!metadata.has("absent"));
  CHECK(metadata.has("u32"));
}

TEST_CASE("entries stay in the order in which they came, each key once") {
  Metadata metadata = example();
  CHECK(metadata.entries().size() == 9);
  CHECK(metadata.entries()[0].key == "u32");
  CHECK(metadata.entries()[8].key == "bools");
  CHECK(metadata.add("u32", make_u32(8)).error().message ==
        "u32: expected every key once, found it twice");
  CHECK(*metadata.require<int64_t>("u32") == 7);
  CHECK(metadata.entries().size() == 9);
}
