#include "engine/kept_prefixes.h"

#include <algorithm>
#include <limits>

#include "engine/common_tokens.h"

namespace issun::engine {

namespace {

using cache::kPageTokens;

// Positions on pages that both begin with: what these hold is alike and needs no look.
int shared_positions(const cache::PageTable& a, const cache::PageTable& b) {
  const size_t most = std::min(a.pages.size(), b.pages.size());
  size_t page = 0;
  while (page < most && a.pages[page] == b.pages[page]) ++page;
  return std::min({static_cast<int>(page) * kPageTokens, a.length, b.length});
}

}  // namespace

KeptPrefixes::KeptPrefixes(cache::PagedKv& cache)
    : cache_(cache), uses_(static_cast<size_t>(cache.page_count())) {}

KeptPrefixes::Found KeptPrefixes::find(std::span<const int32_t> history, uint64_t variant) const {
  Found best;
  const Path* closest = nullptr;
  int closest_common = 0;
  for (size_t i = 0; i < paths_.size(); ++i) {
    const Path& path = paths_[i];
    if (path.variant != variant) continue;
    const int alike = closest == nullptr ? 0 : shared_positions(closest->table, path.table);
    const int common =
        alike > closest_common ? closest_common : common_tokens(history, path.tokens, alike);
    if (common > closest_common) {
      closest = &path;
      closest_common = common;
    }
    const int most = std::min(common, static_cast<int>(history.size()) - 1);
    const int length = most > 0 ? cache_.resumable(path.table, most) : 0;
    if (length > best.length) best = {i, length};
  }
  return best;
}

int KeptPrefixes::adopt(std::span<const int32_t> history, cache::PageTable& table,
                        uint64_t variant) {
  const Found found = find(history, variant);
  if (found.length == 0) return 0;
  const auto at = paths_.begin() + static_cast<std::ptrdiff_t>(found.path);
  ++clock_;
  touch(at->table, found.length, true);
  std::rotate(at, at + 1, paths_.end());
  // Where the text goes on differently both live on, if there is or can be room.
  if (found.length < paths_.back().table.length) {
    do {
      if (cache_.fork(paths_.back().table, found.length, table)) return found.length;
    } while (give_up_beside(found.length));
  }
  // The room for all pages stays with the table of a request that runs.
  std::vector<int32_t> pages = std::move(table.pages);
  table = std::move(paths_.back().table);
  pages.assign(table.pages.begin(), table.pages.end());
  table.pages = std::move(pages);
  paths_.pop_back();
  const int length = cache_.cuttable(table, found.length);
  cache_.truncate(table, length);
  return length;
}

void KeptPrefixes::keep(std::vector<int32_t> tokens, cache::PageTable table, int adopted,
                        uint64_t variant) {
  if (table.length == 0) return;
  ++clock_;
  tokens.resize(static_cast<size_t>(table.length));
  for (size_t i = 0; i < table.pages.size(); ++i) {
    const bool others = cache_.references(table.pages[i]) > 1;
    const bool found = static_cast<int>(i + 1) * kPageTokens <= adopted;
    PageUse& use = uses_[static_cast<size_t>(table.pages[i])];
    use.reused = found || (others && use.reused);
  }
  touch(table, table.length, false);
  Path path{std::move(tokens), std::move(table), variant};
  // Without the room for all pages, by copying: shrink_to_fit() does nothing without exceptions.
  path.tokens = std::vector<int32_t>(path.tokens);
  path.table.pages = std::vector<int32_t>(path.table.pages);
  if (!cache_.has_states()) {  // otherwise what two paths can be resumed from differs
    if (covered(path)) return cache_.truncate(path.table, 0);
    erase_covered(path);
  }
  paths_.push_back(std::move(path));
}

// A path that another begins with brings nothing.
bool KeptPrefixes::covered(const Path& candidate) {
  const auto by = std::find_if(paths_.begin(), paths_.end(), [&](const Path& path) {
    return path.variant == candidate.variant && path.table.length >= candidate.table.length &&
           common_tokens(path.tokens, candidate.tokens,
                         shared_positions(path.table, candidate.table)) == candidate.table.length;
  });
  if (by == paths_.end()) return false;
  touch(by->table, candidate.table.length, true);
  return true;
}

void KeptPrefixes::erase_covered(const Path& by) {
  std::erase_if(paths_, [&](Path& path) {
    if (path.variant != by.variant || path.table.length > by.table.length ||
        common_tokens(path.tokens, by.tokens, shared_positions(path.table, by.table)) !=
            path.table.length) {
      return false;
    }
    cache_.truncate(path.table, 0);
    return true;
  });
}

void KeptPrefixes::touch(const cache::PageTable& table, int length, bool again) {
  for (int page = 0; page * kPageTokens < length; ++page) {
    PageUse& use = uses_[static_cast<size_t>(table.pages[static_cast<size_t>(page)])];
    use.last = clock_;
    use.reused = use.reused || again;
  }
}

// How long ago a path's leaf was of use, for the choice of who goes: what was of use to more than
// one request counts as half as old. (Replays of traces: a third would be better where documents
// are asked about, and worse where people talk; see docs/measurements/2026-11-serving.md.)
int64_t KeptPrefixes::age(const Path& path) const {
  const int32_t leaf = path.table.pages.back();
  // Nothing is lost with it: others hold it too.
  if (!cache_.has_states() && cache_.references(leaf) > 1)
    return std::numeric_limits<int64_t>::max();
  const PageUse& use = uses_[static_cast<size_t>(leaf)];
  return (clock_ - use.last) * (use.reused ? 1 : 2);
}

int KeptPrefixes::length_without_leaf(const Path& path) const {
  return cache_.has_states() ? 0 : (path.table.length - 1) / kPageTokens * kPageTokens;
}

// The latest path keeps its first positions whatever happens.
bool KeptPrefixes::may_lose_leaf(size_t path, int of_latest) const {
  return of_latest == 0 || path + 1 < paths_.size() ||
         length_without_leaf(paths_[path]) >= of_latest;
}

bool KeptPrefixes::give_up_beside(int of_latest) {
  // What lies before a leaf that went is mostly as old, and then nothing older has come up.
  const bool goes_on = oldest_clock_ == clock_ && oldest_ < paths_.size() &&
                       age(paths_[oldest_]) >= oldest_age_ && may_lose_leaf(oldest_, of_latest);
  if (!goes_on) {
    oldest_age_ = -1;
    for (size_t i = 0; i < paths_.size(); ++i) {
      if (!may_lose_leaf(i, of_latest)) continue;
      const int64_t its_age = age(paths_[i]);
      if (its_age <= oldest_age_) continue;
      oldest_ = i;
      oldest_age_ = its_age;
    }
    if (oldest_age_ < 0) return false;
    oldest_clock_ = clock_;
  }
  Path& path = paths_[oldest_];
  const int length = length_without_leaf(path);
  cache_.truncate(path.table, length);
  path.tokens.resize(static_cast<size_t>(length));
  if (length == 0) erase(oldest_);
  return true;
}

void KeptPrefixes::erase(size_t path) {
  cache_.truncate(paths_[path].table, 0);
  paths_.erase(paths_.begin() + static_cast<std::ptrdiff_t>(path));
  oldest_clock_ = -1;
}

int KeptPrefixes::pages() const {
  std::vector<int> held(uses_.size());
  for (const Path& path : paths_) {
    for (const int32_t page : path.table.pages) ++held[static_cast<size_t>(page)];
  }
  int own = 0;
  for (size_t page = 0; page < held.size(); ++page)
    own += held[page] > 0 && held[page] == cache_.references(static_cast<int32_t>(page));
  return own;
}

bool KeptPrefixes::renew(std::span<const int32_t> tokens, uint64_t variant) {
  const auto length = static_cast<int>(tokens.size());
  const auto by = std::find_if(paths_.begin(), paths_.end(), [&](const Path& path) {
    return path.variant == variant && common_tokens(path.tokens, tokens) == length;
  });
  if (by == paths_.end()) return false;
  ++clock_;
  touch(by->table, length, true);
  std::rotate(by, by + 1, paths_.end());
  return true;
}

void KeptPrefixes::clear() {
  while (!paths_.empty()) erase(paths_.size() - 1);
}

}  // namespace issun::engine
