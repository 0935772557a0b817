#include "engine/kept_prefixes.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "model/fake.h"

using namespace issun;
using namespace issun::engine;
using cache::kPageTokens;

namespace {

// Pages of tokens, each page of one token.
std::vector<int32_t> pages_of(std::initializer_list<int32_t> kinds) {
  std::vector<int32_t> tokens;
  for (const int32_t kind : kinds) tokens.insert(tokens.end(), kPageTokens, kind);
  return tokens;
}

// A cache of some pages, and requests that come and go one at a time.
struct Keeping {
  explicit Keeping(int pages)
      : cache(*cache::PagedKv::create(model::FakeDecoder::kv_shape(), pages * kPageTokens)),
        kept(cache) {}

  // How many tokens were found. As the engine does, pages are taken from what is kept.
  int request(const std::vector<int32_t>& tokens) {
    cache::PageTable table = cache.new_table();
    const int found = kept.adopt(tokens, table);
    CHECK(found == table.length);
    CHECK(static_cast<int>(table.pages.capacity()) >= cache.page_count());
    while (!cache.extend(table, static_cast<int>(tokens.size()) - table.length))
      REQUIRE(kept.give_up());
    for (int t = found; t < table.length; ++t)
      *at(table, t) = static_cast<float>(tokens[static_cast<size_t>(t)]);
    // What was found is what was put there.
    for (int t = 0; t < found; ++t)
      REQUIRE(*at(table, t) == static_cast<float>(tokens[static_cast<size_t>(t)]));
    kept.keep(tokens, std::move(table), found);
    return found;
  }
  float* at(const cache::PageTable& table, int t) const {
    return reinterpret_cast<float*>(
        cache.key_row(0, 0, table.pages[static_cast<size_t>(t / kPageTokens)], t % kPageTokens));
  }

  cache::PagedKv cache;
  KeptPrefixes kept;
};

}  // namespace

TEST_CASE("What two requests begin with is held once, and both find it") {
  Keeping keeping(8);
  CHECK(keeping.request(pages_of({1, 2, 3})) == 0);
  CHECK(keeping.request(pages_of({1, 2, 4, 5})) == 2 * kPageTokens);
  CHECK(keeping.cache.free_pages() == 8 - 5);
  CHECK(keeping.kept.longest(pages_of({1, 2, 3, 9})) == 3 * kPageTokens);
  CHECK(keeping.kept.longest(pages_of({1, 2, 4, 9})) == 3 * kPageTokens);
  CHECK(keeping.kept.longest(pages_of({1, 9})) == kPageTokens);
  CHECK(keeping.kept.longest(pages_of({9})) == 0);
  keeping.kept.clear();
  CHECK(keeping.cache.free_pages() == 8);
}

TEST_CASE("When room is needed the leaves of the oldest go first, and its beginning stays") {
  Keeping keeping(6);
  keeping.request(pages_of({1, 2, 3, 4}));
  keeping.request(pages_of({5, 6}));
  keeping.request(pages_of({7}));  // one page is missing
  CHECK(keeping.kept.longest(pages_of({1, 2, 3, 4, 9})) == 3 * kPageTokens);
  CHECK(keeping.kept.longest(pages_of({5, 6, 9})) == 2 * kPageTokens);
  CHECK(keeping.kept.longest(pages_of({7, 9})) == kPageTokens);
}

TEST_CASE("What more than one request had is as good as what is half as old") {
  Keeping keeping(5);
  keeping.request(pages_of({1}));
  keeping.request(pages_of({1, 2}));  // page 1 is of use twice
  for (const int32_t once : {3, 4, 5}) keeping.request(pages_of({once}));
  keeping.request(pages_of({6, 7}));  // 2 goes, and then not 1, which is older, but 3
  CHECK(keeping.kept.longest(pages_of({1, 2})) == kPageTokens);
  CHECK(keeping.kept.longest(pages_of({3, 9})) == 0);
  CHECK(keeping.kept.longest(pages_of({4, 9})) == kPageTokens);
  // It does not stay for ever.
  for (int32_t once = 20; once < 40; ++once) keeping.request(pages_of({once}));
  CHECK(keeping.kept.longest(pages_of({1, 2})) == 0);
}

TEST_CASE("The same request again and again takes no further pages") {
  Keeping keeping(8);
  std::vector<int32_t> tokens = pages_of({1, 2});
  tokens.resize(kPageTokens + 10);
  keeping.request(tokens);
  for (int i = 0; i < 5; ++i) {
    CHECK(keeping.request(tokens) == kPageTokens + 9);
    CHECK(keeping.kept.paths().size() == 1);
    CHECK(keeping.cache.free_pages() == 6);
  }
  // One that ends earlier brings nothing, one that goes on brings what is new.
  tokens.resize(kPageTokens);
  keeping.request(tokens);
  CHECK(keeping.kept.paths().size() == 1);
  CHECK(keeping.cache.free_pages() == 6);
}

TEST_CASE("Variants find what is their own, and none makes another's superfluous") {
  Keeping keeping(8);
  for (const uint64_t variant : {0, 1, 0, 1}) {
    cache::PageTable table = keeping.cache.new_table();
    const std::vector<int32_t> tokens = pages_of({1, 2});
    const int found = keeping.kept.adopt(tokens, table, variant);
    CHECK(found ==
          (keeping.kept.paths().size() < 2 && table.length == 0 ? 0 : 2 * kPageTokens - 1));
    REQUIRE(keeping.cache.extend(table, 2 * kPageTokens - found));
    keeping.kept.keep(tokens, std::move(table), found, variant);
  }
  CHECK(keeping.kept.paths().size() == 2);
  CHECK(keeping.cache.free_pages() == 8 - 4);
}

TEST_CASE("Where there is no room for both, a request that goes on otherwise takes the page over") {
  Keeping keeping(2);
  keeping.request(pages_of({1, 2}));
  std::vector<int32_t> other = pages_of({1, 2});
  std::fill(other.begin() + kPageTokens + 7, other.end(), 9);
  CHECK(keeping.request(other) == kPageTokens + 7);
  CHECK(keeping.kept.longest(pages_of({1, 2})) == kPageTokens + 7);
}

TEST_CASE("Whatever comes, what is found is right, and no page is lost") {
  std::mt19937 random(5);
  Keeping keeping(12);
  int found = 0;
  for (int i = 0; i < 3000; ++i) {
    // A tree of texts with few branches: many begin alike, at any length.
    std::vector<int32_t> tokens;
    const size_t length = 1 + random() % (6 * kPageTokens);
    while (tokens.size() < length) {
      const int32_t kind = static_cast<int32_t>(random() % 3);
      tokens.insert(tokens.end(), 1 + random() % 3 * 50, kind);
    }
    found += keeping.request(tokens);
    size_t held = 0;
    std::vector<bool> seen(12);
    for (const auto& path : keeping.kept.paths()) {
      REQUIRE(static_cast<int>(path.tokens.size()) == path.table.length);
      REQUIRE(path.table.pages.capacity() <= 9);  // of the longest
      for (const int32_t page : path.table.pages) {
        held += seen[static_cast<size_t>(page)] ? 0 : 1;
        seen[static_cast<size_t>(page)] = true;
      }
    }
    REQUIRE(static_cast<int>(held) == 12 - keeping.cache.free_pages());
  }
  CHECK(found > 10000);
  keeping.kept.clear();
  CHECK(keeping.cache.free_pages() == 12);
}

TEST_CASE("Pages that only paths hold are counted once, and those of a request not") {
  Keeping keeping(8);
  keeping.request(pages_of({1, 2, 3}));
  keeping.request(pages_of({1, 2, 4, 5}));
  CHECK(keeping.kept.pages() == 5);
  cache::PageTable running = keeping.cache.new_table();
  REQUIRE(keeping.cache.fork(keeping.kept.paths()[0].table, 2 * kPageTokens, running));
  CHECK(keeping.kept.pages() == 3);
  int gone = 0;
  const int before = keeping.cache.free_pages();
  while (keeping.kept.give_up()) ++gone;
  CHECK(gone > 0);
  CHECK(keeping.cache.free_pages() == before + 3);
  keeping.cache.truncate(running, 0);
}

TEST_CASE("A path that begins with all tokens is renewed, and no other") {
  Keeping keeping(8);
  keeping.request(pages_of({1, 2, 3}));
  keeping.request(pages_of({4}));
  CHECK_FALSE(keeping.kept.renew(pages_of({1, 2, 3, 5})));
  CHECK_FALSE(keeping.kept.renew(pages_of({1, 2}), 1));
  CHECK(keeping.kept.paths()[1].tokens == pages_of({4}));
  CHECK(keeping.kept.renew(pages_of({1, 2})));
  CHECK(keeping.kept.paths()[1].tokens == pages_of({1, 2, 3}));
}
