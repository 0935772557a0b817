#include "cache/snapshot.h"

#include <doctest/doctest.h>

#include <cstring>
#include <random>

#include "base/file.h"
#include "scratch_folder.h"

using namespace issun;
using namespace issun::cache;

namespace {

constexpr uint64_t kModel = 77;

KvShape two_layers(DType values = DType::Q4_0) {
  KvShape shape;
  shape.layers = {{2, 40, 64}, {1, 16, 4}};
  shape.key_type = DType::F16;
  shape.value_type = values;
  return shape;
}

// body(bytes) of the rows of one position, layer and head.
template <class Body>
void each_row(const PagedKv& kv, const PageTable& table, int t, const Body& body) {
  const int32_t page = table.pages[static_cast<size_t>(t / kPageTokens)];
  for (int l = 0; l < 2; ++l) {
    const KvLayerShape& layer = kv.shape().layers[static_cast<size_t>(l)];
    for (int head = 0; head < layer.kv_heads; ++head) {
      body(std::span(kv.key_row(l, head, page, t % kPageTokens),
                     static_cast<size_t>(cache_row_bytes(kv.shape().key_type, layer.key_width))));
      body(std::span(
          kv.value_row(l, head, page, t % kPageTokens),
          static_cast<size_t>(cache_row_bytes(kv.shape().value_type, layer.value_width))));
    }
  }
}

struct Saved {
  ScratchFolder scratch;
  PagedKv kv = *PagedKv::create(two_layers(), 8 * kPageTokens);
  PageTable table = kv.new_table();
  std::vector<int32_t> tokens;
  std::string path = scratch.path("one");

  explicit Saved(int length = 2 * kPageTokens + 9) {
    REQUIRE(kv.extend(table, length));
    std::mt19937 random(3);
    for (int t = 0; t < length; ++t) {
      tokens.push_back(static_cast<int32_t>(random() % 1000));
      each_row(kv, table, t, [&](std::span<std::byte> row) {
        for (std::byte& byte : row) byte = static_cast<std::byte>(random());
      });
    }
    REQUIRE(write_snapshot(path, kModel, kv, table, {tokens, 8, 1234}));
  }
  std::vector<std::byte> bytes() const {
    const MappedFile file = *MappedFile::open(path);
    return {file.bytes().begin(), file.bytes().end()};
  }
};

std::vector<std::byte> rows_of(const PagedKv& kv, const PageTable& table) {
  std::vector<std::byte> rows;
  for (int t = 0; t < table.length; ++t)
    each_row(kv, table, t,
             [&](std::span<std::byte> row) { rows.insert(rows.end(), row.begin(), row.end()); });
  return rows;
}

}  // namespace

TEST_CASE("What was saved comes back bit by bit, whole or its beginning") {
  const Saved saved;
  const auto bytes = saved.bytes();
  CHECK(static_cast<int64_t>(bytes.size()) == snapshot_bytes(two_layers(), saved.table.length));
  SnapshotFault fault{};
  const auto head = parse_snapshot_head(bytes, kModel, two_layers(), &fault);
  REQUIRE(head);
  CHECK(head->tokens == saved.tokens);
  CHECK(head->saved_at == 1234);
  CHECK(head->variant == 8);
  const auto all = rows_of(saved.kv, saved.table);
  for (const int length : {saved.table.length, kPageTokens + 1, kPageTokens, 3}) {
    const PagedKv other = *PagedKv::create(two_layers(), 4 * kPageTokens);
    PagedKv& into = const_cast<PagedKv&>(other);
    PageTable table = into.new_table();
    REQUIRE(into.extend(table, length));
    REQUIRE(read_snapshot_rows(bytes, into, table));
    const auto rows = rows_of(into, table);
    CHECK(rows.size() ==
          all.size() / static_cast<size_t>(saved.table.length) * static_cast<size_t>(length));
    CHECK(std::equal(rows.begin(), rows.end(), all.begin()));
  }
}

TEST_CASE("Any byte that is another, and any that is missing, is noticed") {
  const Saved saved(70);
  const auto whole = saved.bytes();
  PagedKv kv = *PagedKv::create(two_layers(), 4 * kPageTokens);
  PageTable table = kv.new_table();
  REQUIRE(kv.extend(table, 70));
  const auto reads = [&](std::span<const std::byte> bytes) {
    SnapshotFault fault{};
    const auto head = parse_snapshot_head(bytes, kModel, two_layers(), &fault);
    CHECK(head.has_value() == (fault == SnapshotFault::None));
    return head && read_snapshot_rows(bytes, kv, table);
  };
  REQUIRE(reads(whole));
  for (size_t at = 0; at < whole.size(); ++at) {
    if (at >= 8 && at < 16) continue;  // when it was saved
    auto bytes = whole;
    bytes[at] ^= std::byte{1} << (at % 8);
    if (reads(bytes)) FAIL("byte " << at);
  }
  for (size_t length = 0; length < whole.size(); length += 7)
    CHECK_FALSE(reads(std::span(whole).first(length)));
}

TEST_CASE("A file of another model, type or shape is told from a damaged one") {
  const Saved saved;
  const auto bytes = saved.bytes();
  SnapshotFault fault{};
  CHECK_FALSE(parse_snapshot_head(bytes, kModel + 1, two_layers(), &fault));
  CHECK(fault == SnapshotFault::OfAnotherModel);
  CHECK_FALSE(parse_snapshot_head(bytes, kModel, two_layers(DType::F16), &fault));
  CHECK(fault == SnapshotFault::OfAnotherModel);
  KvShape wider = two_layers();
  wider.layers[1].key_width = 32;
  CHECK_FALSE(parse_snapshot_head(bytes, kModel, wider, &fault));
  CHECK(fault == SnapshotFault::OfAnotherModel);
  CHECK_FALSE(parse_snapshot_head(std::span(bytes).first(100), kModel, two_layers(), &fault));
  CHECK(fault == SnapshotFault::Damaged);
}

TEST_CASE("A file that is still of use says since when, and stays whole") {
  const Saved saved;
  REQUIRE(restamp_snapshot(saved.path, 99999));
  SnapshotFault fault{};
  const auto head = parse_snapshot_head(saved.bytes(), kModel, two_layers(), &fault);
  REQUIRE(head);
  CHECK(head->saved_at == 99999);
}
