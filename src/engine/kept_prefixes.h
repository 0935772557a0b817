// What finished requests left in the cache, for those to come that begin alike. Each is a path of
// pages from the first token on; paths that begin alike share their pages, so that together they
// are a tree, and when room is needed its leaves go first, a page at a time.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cache/paged_kv.h"

namespace issun::engine {

class KeptPrefixes {
 public:
  struct Path {
    std::vector<int32_t> tokens;  // as many as the table has positions
    cache::PageTable table;
    uint64_t variant = 0;
  };
  // Whatever else than tokens changes what is computed of them has a number, the variant; 0: as the
  // model was opened. Paths of several variants are kept side by side and share nothing.

  explicit KeptPrefixes(cache::PagedKv& cache);  // outlives this

  // How many positions adopt() would find.
  int longest(std::span<const int32_t> history, uint64_t variant = 0) const {
    return find(history, variant).length;
  }
  // Begins `table` (empty) with as much of `history` as is kept, but for its last token, whose
  // logits somebody wants. How many positions that are.
  int adopt(std::span<const int32_t> history, cache::PageTable& table, uint64_t variant = 0);
  // What a request leaves: its tokens, of which the table may hold the first ones only, and its
  // table, of which the first `adopted` positions were found and not computed.
  void keep(std::vector<int32_t> tokens, cache::PageTable table, int adopted, uint64_t variant = 0);
  // Gives up a page that nobody shares, or one path to a page that others hold as well; with states
  // a whole path, since it cannot be cut where no state is known. false: nothing is left.
  bool give_up() { return give_up_beside(0); }
  void clear();
  // Pages that nobody but paths holds: so many would be free if all were given up.
  int pages() const;
  // Whether a path begins with all of these; it is the latest then, as if they had just ended.
  bool renew(std::span<const int32_t> tokens, uint64_t variant = 0);
  // The latest last.
  std::span<const Path> paths() const { return paths_; }
  void erase(size_t path);

 private:
  struct Found {
    size_t path = 0;
    int length = 0;
  };
  // What is known of a page that paths hold.
  struct PageUse {
    int64_t last = 0;     // when it was last part of a request, by clock_
    bool reused = false;  // more than one request had it
  };
  Found find(std::span<const int32_t> history, uint64_t variant) const;
  bool give_up_beside(int of_latest);
  bool may_lose_leaf(size_t path, int of_latest) const;
  int length_without_leaf(const Path& path) const;
  int64_t age(const Path& path) const;
  void touch(const cache::PageTable& table, int length, bool again);
  bool covered(const Path& candidate);
  void erase_covered(const Path& by);

  cache::PagedKv& cache_;
  std::vector<Path> paths_;    // the latest last
  std::vector<PageUse> uses_;  // by page
  int64_t clock_ = 0;          // moves with every request that begins or ends
  // Whose leaf went last, and how old it was, at a time.
  size_t oldest_ = 0;
  int64_t oldest_age_ = -1, oldest_clock_ = -1;
};

}  // namespace issun::engine
