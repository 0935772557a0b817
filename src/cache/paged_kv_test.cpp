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

TEST_CASE("Rows of blocks are planned as whole blocks, keys and values by their own types") {
  KvShape shape;
  shape.layers = {{2, 80, 64}};
  shape.key_type = DType::Q8_0;
  shape.value_type = DType::Q4_0;
  CHECK(PagedKv::planned_bytes(shape, 64) == 64 * 2 * (3 * 34 + 2 * 18));
  shape.value_type = DType::F16;
  CHECK(PagedKv::planned_bytes(shape, 64) == 64 * 2 * (3 * 34 + 64 * 2));
  const PagedKv kv = *PagedKv::create(shape, 128);
  CHECK(kv.key_row(0, 0, 0, 1) - kv.key_row(0, 0, 0, 0) == 3 * 34);
  CHECK(kv.value_row(0, 0, 0, 1) - kv.value_row(0, 0, 0, 0) == 64 * 2);
}

TEST_CASE("Touched bytes are those of the pages that were ever handed out, and never fall") {
#ifdef __wasm__
  constexpr bool kAtOnce = true;  // all of the memory is there from the first byte on
#else
  constexpr bool kAtOnce = false;
#endif
  KvShape shape;
  shape.layers.assign(16, {8, 64, 64});  // 4 MiB a plane: two huge pages, of 32 pages each
  PagedKv kv = *PagedKv::create(shape, 4096);
  const int64_t all = PagedKv::planned_bytes(shape, 4096), half = kAtOnce ? all : all / 2;
  CHECK(kv.touched_bytes() == 0);
  PageTable table = kv.new_table();
  REQUIRE(kv.extend(table, 1));
  CHECK(kv.touched_bytes() == half);
  REQUIRE(kv.extend(table, 2047));
  CHECK(kv.touched_bytes() == half);
  PageTable other = kv.new_table();
  REQUIRE(kv.fork(table, 1, other));
  CHECK(kv.touched_bytes() == all);
  kv.truncate(table, 0), kv.truncate(other, 0);
  CHECK(kv.touched_bytes() == all);

  PagedKv small_pages = *PagedKv::create(shape, 4096, 1, Pages::Small);
  PageTable first = small_pages.new_table();
  REQUIRE(small_pages.extend(first, 1));
  CHECK(small_pages.touched_bytes() == (kAtOnce ? all : all / 64));

  // Small buffers are counted by small pages; a state is there from the beginning.
  shape.layers = {{2, 64, 64}};
  shape.states = {{16, 16}};
  PagedKv small = *PagedKv::create(shape, 1024);
  const int64_t states = small.touched_bytes();
  CHECK(states > 0);
  PageTable one = small.new_table();
  REQUIRE(small.extend(one, 65));
  const int64_t two_pages = 2 * 64 * 2 * 2 * 64 * 2;
  CHECK(small.touched_bytes() == states + (kAtOnce ? 8 * two_pages : two_pages));
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
  shape.value_type = DType::Q4_0;
  CHECK(PagedKv::create(shape, 64));
  shape.value_type = DType::Q4_K;
  CHECK(PagedKv::create(shape, 64).error().message ==
        "cache type Q4_K: expected one of F32 F16 BF16 Q8_0 Q5_1 Q5_0 Q4_1 Q4_0 IQ4_NL");
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

namespace {

// One recurrent layer, and one that attends.
KvShape hybrid_shape() {
  KvShape shape;
  shape.layers = {{}, {1, 16, 4}};
  shape.key_type = shape.value_type = DType::F32;
  shape.states = {{3, 40}, {}};
  return shape;
}

float& state(const PagedKv& kv, const PageTable& table) {
  return kv.states().memory(0, table.state)[39];
}

}  // namespace

TEST_CASE("States are planned to the byte beside the pages: two a sequence and one more") {
  // Window and memory each begin on a cache line.
  CHECK(PagedKv::planned_bytes(hybrid_shape(), 0) == 3 * (64 + 192));
  CHECK(PagedKv::planned_bytes(hybrid_shape(), 64, 4) == 9 * (64 + 192) + 64 * 4 * (16 + 4));
  KvShape large = hybrid_shape();
  large.states[0].memory = int64_t{1} << 60;
  CHECK(PagedKv::planned_bytes(large, 64, 1 << 10) == INT64_MAX);
  CHECK(PagedKv::create(large, 64).error().message.find("states of 1 sequences") == 0);
}

TEST_CASE("A state begins as zero, goes back to where it was kept, and nowhere else") {
  PagedKv kv = *PagedKv::create(hybrid_shape(), 4 * kPageTokens);
  PageTable table = kv.new_table();
  REQUIRE(kv.extend(table, 10));
  CHECK(state(kv, table) == 0);
  state(kv, table) = 10;
  REQUIRE(kv.keep_state(table));
  REQUIRE(kv.extend(table, 90));
  state(kv, table) = 100;
  CHECK(kv.cuttable(table, 100) == 100);
  CHECK(kv.cuttable(table, 99) == 10);
  CHECK(kv.cuttable(table, 10) == 10);
  CHECK(kv.cuttable(table, 9) == 0);
  kv.truncate(table, 10);
  CHECK(state(kv, table) == 10);
  REQUIRE(kv.extend(table, 5));  // twice: the kept one is still there
  kv.truncate(table, 10);
  CHECK(state(kv, table) == 10);
  kv.truncate(table, 0);
  CHECK(kv.states().free_slots() == 3);
  REQUIRE(kv.extend(table, 10));
  CHECK(state(kv, table) == 0);
  CHECK(kv.cuttable(table, 9) == 0);
}

TEST_CASE("A fork has a state of its own, from the end or from where one was kept") {
  PagedKv kv = *PagedKv::create(hybrid_shape(), 6 * kPageTokens, 2);
  PageTable a = kv.new_table(), b = kv.new_table(), c = kv.new_table();
  REQUIRE(kv.extend(a, 70));
  state(kv, a) = 70;
  REQUIRE(kv.keep_state(a));
  REQUIRE(kv.extend(a, 5));
  state(kv, a) = 75;
  REQUIRE(kv.fork(a, 75, b));
  REQUIRE(kv.fork(a, 70, c));
  CHECK(state(kv, b) == 75);
  CHECK(state(kv, c) == 70);
  state(kv, b) = 1;
  CHECK(state(kv, a) == 75);
  CHECK(kv.cuttable(b, 74) == 0);  // only the end is known
  // The first page is shared now: the kept state is inside the second, which is not.
  CHECK(kv.cuttable(a, 74) == 70);
}

TEST_CASE("Without a free slot nothing begins, forks or is kept, and nothing has changed") {
  PagedKv kv = *PagedKv::create(hybrid_shape(), 6 * kPageTokens);
  PageTable tables[4] = {kv.new_table(), kv.new_table(), kv.new_table(), kv.new_table()};
  for (int i = 0; i < 3; ++i) REQUIRE(kv.extend(tables[i], 3));
  const int pages = kv.free_pages();
  CHECK_FALSE(kv.extend(tables[3], 3));
  CHECK_FALSE(kv.fork(tables[0], 3, tables[3]));
  CHECK_FALSE(kv.keep_state(tables[0]));
  CHECK(tables[3].length == 0);
  CHECK(kv.free_pages() == pages);
  kv.truncate(tables[1], 0);
  CHECK(kv.keep_state(tables[0]));
}
