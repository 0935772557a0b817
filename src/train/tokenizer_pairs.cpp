#include "train/tokenizer_pairs.h"

#include <algorithm>
#include <utility>

namespace issun::train {

size_t PairTable::slot_of(int32_t left, int32_t right) const {
  const auto wide = [](int32_t symbol) { return uint64_t{static_cast<uint32_t>(symbol)}; };
  const uint64_t hash = (wide(left) << 32 | wide(right)) * 0x9E3779B97F4A7C15;
  const size_t mask = slots_.size() - 1;
  size_t slot = (hash >> 32 ^ hash >> 12) & mask;
  for (; slots_[slot] != 0; slot = (slot + 1) & mask) {
    const SymbolPair& pair = pairs_[slots_[slot] - 1];
    if (pair.left == left && pair.right == right) break;
  }
  return slot;
}

void PairTable::grow() {
  slots_.assign(slots_.size() * 2, 0);
  for (uint32_t p = 0; p < pairs_.size(); ++p) {
    slots_[slot_of(pairs_[p].left, pairs_[p].right)] = p + 1;
  }
}

uint32_t PairTable::index_of(int32_t left, int32_t right) {
  size_t slot = slot_of(left, right);
  if (slots_[slot] != 0) return slots_[slot] - 1;
  if (pairs_.size() * 2 >= slots_.size()) {
    grow();
    slot = slot_of(left, right);
  }
  SymbolPair pair;
  pair.left = left, pair.right = right;
  pairs_.push_back(std::move(pair));
  slots_[slot] = static_cast<uint32_t>(pairs_.size());
  return slots_[slot] - 1;
}

void PairTable::change(int32_t left, int32_t right, int64_t by, uint32_t word) {
  const uint32_t index = index_of(left, right);
  SymbolPair& pair = pairs_[index];
  pair.count += by;
  if (by < 0) return;
  if (pair.words.empty() || pair.words.back() != word) pair.words.push_back(word);
  if (pair.changed_in != round_) risen_.push_back(index);
  pair.changed_in = round_;
}

bool PairTable::comes_later(const Candidate& a, const Candidate& b) const {
  if (a.count != b.count) return a.count < b.count;
  const auto text = [this](int32_t symbol) -> const std::string& {
    return (*texts_)[static_cast<size_t>(symbol)];
  };
  const SymbolPair &first = pairs_[a.pair], &second = pairs_[b.pair];
  if (const int order = text(first.left).compare(text(second.left)); order != 0) return order > 0;
  return text(first.right).compare(text(second.right)) > 0;
}

void PairTable::settle() {
  for (const uint32_t index : risen_) {
    if (pairs_[index].count <= 0) continue;
    heap_.push_back({pairs_[index].count, index});
    std::push_heap(heap_.begin(), heap_.end(),
                   [this](const auto& a, const auto& b) { return comes_later(a, b); });
  }
  risen_.clear();
  ++round_;
}

SymbolPair PairTable::take_most_frequent() {
  const auto later = [this](const auto& a, const auto& b) { return comes_later(a, b); };
  while (!heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    const Candidate candidate = heap_.back();
    heap_.pop_back();
    SymbolPair& pair = pairs_[candidate.pair];
    if (pair.count == candidate.count) {
      // What the caller merges no longer stands anywhere.
      SymbolPair taken = std::exchange(pair, {});
      pair.left = taken.left, pair.right = taken.right;
      pair.taken_before = true;
      return taken;
    }
    // One that rose since then has another candidate.
    if (pair.count > 0 && pair.count < candidate.count) {
      heap_.push_back({pair.count, candidate.pair});
      std::push_heap(heap_.begin(), heap_.end(), later);
    }
  }
  return {};
}

}  // namespace issun::train
