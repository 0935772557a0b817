#include "cache/paged_kv.h"

#include <doctest/doctest.h>

#include <cstring>

using namespace issun;
using namespace issun::cache;

namespace {

KvShape small_shape() {
  KvShape shape;
  shape.layers = {{2, 8, 8}, {1, 16, 4}};
  shape.key_type = shape.value_type = DType::F32;
  return shape;
}

void put(const PagedKv& kv, const PageTable& table, int position, float value) {
  float* row = reinterpret_cast<float*>(kv.key_row(
      1, 0, table.pages[static_cast<size_t>(position / kPageTokens)], position % kPageTokens));
  for (int i = 0; i < 16; ++i) row[i] = value + static_cast<float>(i);
}

float get(const PagedKv& kv, const PageTable& table, int position) {
  return *reinterpret_cast<const float*>(kv.key_row(
      1, 0, table.pages[static_cast<size_t>(position / kPageTokens)], position % kPageTokens));
}

}  // namespace

TEST_CASE("The planned bytes are those of every row of every layer") {
  // layer 0: 2 heads x (8 + 8) floats; layer 1: 16 + 4 floats; 128 positions
  CHECK(PagedKv::planned_bytes(small_shape(), 100) == 128 * 4 * (2 * (8 + 8) + 16 + 4));
}

TEST_CASE("A sequence takes pages as it grows and gives them back as it shrinks") {
  PagedKv kv = *PagedKv::create(small_shape(), 4 * kPageTokens);
  PageTable table = kv.new_table();
  REQUIRE(kv.extend(table, 1));
  CHECK(kv.free_pages() == 3);
  REQUIRE(kv.extend(table, kPageTokens));
  CHECK(table.length == kPageTokens + 1);
  CHECK(kv.free_pages() == 2);
  CHECK_FALSE(kv.extend(table, 3 * kPageTokens));
  CHECK(table.length == kPageTokens + 1);
  kv.truncate(table, 5);
  CHECK(kv.free_pages() == 3);
  kv.truncate(table, 0);
  CHECK(kv.free_pages() == 4);
}

TEST_CASE("A fork sees the same past, and writing to it leaves the other as it was") {
  PagedKv kv = *PagedKv::create(small_shape(), 4 * kPageTokens);
  PageTable a = kv.new_table(), b = kv.new_table();
  REQUIRE(kv.extend(a, kPageTokens + 10));
  for (int t = 0; t < a.length; ++t) put(kv, a, t, static_cast<float>(100 * t));
  REQUIRE(kv.fork(a, kPageTokens + 3, b));
  CHECK(kv.free_pages() == 1);  // one page shared, one copied
  CHECK(b.pages[0] == a.pages[0]);
  for (int t = 0; t < b.length; ++t) REQUIRE(get(kv, b, t) == get(kv, a, t));
  put(kv, b, kPageTokens + 2, -1);
  CHECK(get(kv, a, kPageTokens + 2) == 100.0f * (kPageTokens + 2));
  kv.truncate(a, 0);
  CHECK(kv.free_pages() == 2);  // the shared page lives on in b
  kv.truncate(b, 0);
  CHECK(kv.free_pages() == 4);
}

TEST_CASE("A cache type that is none, and a cache too large to have, are errors") {
  KvShape shape = small_shape();
  shape.key_type = shape.value_type = DType::F16;
  CHECK(PagedKv::create(shape, 64));
  shape.value_type = DType::F32;
  CHECK(PagedKv::create(shape, 64).error().message.find("found F16 and F32") != std::string::npos);
  shape.value_type = DType::Q4_K;
  CHECK(PagedKv::create(shape, 64).error().message == "cache type Q4_K: expected F32 or F16");
  CHECK_FALSE(PagedKv::create(small_shape(), int64_t{1} << 50));
  // More bytes than can be counted.
  shape = small_shape();
  shape.layers.assign(1 << 10, {1 << 10, 1 << 20, 1 << 20});
  CHECK(PagedKv::planned_bytes(shape, int64_t{1} << 40) == INT64_MAX);
  CHECK_FALSE(PagedKv::create(shape, int64_t{1} << 30));
}

TEST_CASE("A shared page is not cut: the length goes down to its beginning") {
  PagedKv kv = *PagedKv::create(small_shape(), 4 * kPageTokens);
  PageTable a = kv.new_table(), b = kv.new_table();
  REQUIRE(kv.extend(a, 2 * kPageTokens));
  CHECK(kv.cuttable(a, kPageTokens + 5) == kPageTokens + 5);
  REQUIRE(kv.fork(a, 2 * kPageTokens, b));
  CHECK(kv.cuttable(a, kPageTokens + 5) == kPageTokens);
  CHECK(kv.cuttable(a, 2 * kPageTokens) == 2 * kPageTokens);
}
