// The loop that BPE and SentencePiece share: of all neighbours that may merge, always the pair of
// the lowest rank, the leftmost first, until none may.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace issun::tokenizer {

// A run of the text that is one symbol so far. Ids mean something to the rule only.
struct Symbol {
  int32_t id = -1;
  uint32_t begin = 0, bytes = 0;  // in the text
};

// What two neighbours become.
struct Merge {
  static constexpr uint32_t kNone = UINT32_MAX;
  uint32_t rank = kNone;  // kNone: they do not merge
  int32_t id = -1;
};

// Working memory of one call, to be reused.
struct MergeScratch {
  struct Candidate {
    uint64_t order;  // rank, then position: what comes first
    uint32_t right;  // index of the right symbol
    uint32_t bytes;  // of both together: another sum means one of them has merged since
    int32_t id;      // what they become
    bool operator<(const Candidate& other) const { return order > other.order; }  // for a min-heap
  };
  std::vector<Candidate> heap;
  std::vector<uint32_t> previous, next;
  std::vector<Merge> merges;
};

namespace detail {

// O(n^2), without a heap: fastest for words.
template <class Rule>
void merge_few(const Rule& rule, MergeScratch& scratch, std::vector<Symbol>& symbols) {
  auto& merges = scratch.merges;  // [i]: of symbols i and i + 1
  merges.clear();
  for (size_t i = 0; i + 1 < symbols.size(); ++i) {
    merges.push_back(rule(symbols[i], symbols[i + 1]));
  }
  while (!merges.empty()) {
    const auto best =
        std::min_element(merges.begin(), merges.end(),
                         [](const Merge& a, const Merge& b) { return a.rank < b.rank; });
    if (best->rank == Merge::kNone) return;
    const auto i = static_cast<size_t>(best - merges.begin());
    symbols[i].id = best->id;
    symbols[i].bytes += symbols[i + 1].bytes;
    symbols.erase(symbols.begin() + static_cast<int64_t>(i) + 1);
    merges.erase(best);
    if (i > 0) merges[i - 1] = rule(symbols[i - 1], symbols[i]);
    if (i < merges.size()) merges[i] = rule(symbols[i], symbols[i + 1]);
  }
}

// O(n log n), for texts without end.
template <class Rule>
void merge_many(const Rule& rule, MergeScratch& scratch, std::vector<Symbol>& symbols) {
  std::vector<MergeScratch::Candidate>& heap = scratch.heap;
  std::vector<uint32_t>&previous = scratch.previous, &next = scratch.next;
  const auto count = static_cast<uint32_t>(symbols.size());
  const auto candidate = [&](uint32_t left, uint32_t right) -> MergeScratch::Candidate {
    const Merge merge = rule(symbols[left], symbols[right]);
    return {uint64_t{merge.rank} << 32 | left, right, symbols[left].bytes + symbols[right].bytes,
            merge.id};
  };
  const auto merges = [](const MergeScratch::Candidate& c) {
    return c.order >> 32 != Merge::kNone;
  };
  const auto push = [&](uint32_t left, uint32_t right) {
    const auto c = candidate(left, right);
    if (!merges(c)) return;
    heap.push_back(c);
    std::push_heap(heap.begin(), heap.end());
  };
  heap.clear();
  previous.resize(count);
  next.resize(count);
  for (uint32_t i = 0; i < count; ++i) {
    previous[i] = i - 1;  // of the first: beyond the end, like next of the last
    next[i] = i + 1;
    if (i == 0) continue;
    const auto c = candidate(i - 1, i);
    if (merges(c)) heap.push_back(c);
  }
  std::make_heap(heap.begin(), heap.end());
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end());
    const MergeScratch::Candidate c = heap.back();
    heap.pop_back();
    const auto left = static_cast<uint32_t>(c.order);
    // A symbol that was merged into its left neighbour has no bytes. Both alive and as long
    // together as then: they are still what they were.
    if (symbols[left].bytes == 0 || symbols[c.right].bytes == 0 ||
        symbols[left].bytes + symbols[c.right].bytes != c.bytes) {
      continue;
    }
    symbols[left].id = c.id;
    symbols[left].bytes = c.bytes;
    symbols[c.right].bytes = 0;
    const uint32_t after = next[c.right];
    next[left] = after;
    if (after < count) {
      previous[after] = left;
      push(left, after);
    }
    if (previous[left] < count) push(previous[left], left);
  }
  std::erase_if(symbols, [](const Symbol& s) { return s.bytes == 0; });
}

}  // namespace detail

// rule(left, right) -> Merge, for neighbours. Symbols have at least one byte each, and fewer than
// 2^32 in all.
template <class Rule>
void merge_symbols(const Rule& rule, MergeScratch& scratch, std::vector<Symbol>& symbols) {
  constexpr size_t kFew = 48;  // where the heap starts to win
  if (symbols.size() <= kFew) {
    detail::merge_few(rule, scratch, symbols);
  } else {
    detail::merge_many(rule, scratch, symbols);
  }
}

}  // namespace issun::tokenizer
