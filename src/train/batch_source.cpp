#include "train/batch_source.h"

#include <algorithm>

#include "base/quote.h"
#include "train/random.h"

namespace issun::train {

Result<LongTalk> long_talk_from_name(std::string_view name) {
  if (name == "refuse") return LongTalk::Refuse;
  if (name == "truncate") return LongTalk::Truncate;
  if (name == "skip") return LongTalk::Skip;
  return fail("talks that are too long: expected refuse, truncate or skip, found '{}'",
              printable(name));
}

void Batch::clear(int sequences_now, int length_now) {
  const size_t size = static_cast<size_t>(sequences_now) * static_cast<size_t>(length_now);
  sequences = sequences_now;
  length = length_now;
  used = learnt = 0;
  tokens.assign(size, 0);
  targets.assign(size, kNoTarget);
  positions.assign(size, 0);
  visible_begin.resize(size);
  for (size_t i = 0; i < size; ++i) {
    visible_begin[i] = static_cast<int32_t>(i % static_cast<size_t>(length));
  }
  queries.clear();
  candidates.clear();
}

int64_t BatchSource::item_at(const DataState& state) const {
  if (!shuffle_) return state.sequence;
  const uint64_t key = mixed(seed_ + mixed(static_cast<uint64_t>(state.epoch) + 1));
  return Permutation(items_, key).at(state.sequence);
}

void BatchSource::next(int count, DataState* state, Batch* batch) const {
  std::vector<int64_t> items;
  for (int i = 0; i < count; ++i) {
    items.push_back(item_at(*state));
    if (++state->sequence < items_) continue;
    state->sequence = 0;
    ++state->epoch;
  }
  fill(items, batch);
}

void BatchSource::read(int64_t first, int count, Batch* batch) const {
  std::vector<int64_t> items;
  const int64_t end = std::min(items_, first + count);
  for (int64_t i = first; i < end; ++i) items.push_back(item_at({0, i}));
  fill(items, batch);
}

Result<void> BatchSource::fits(const DataState& state) const {
  if (state.epoch >= 0 && state.sequence >= 0 && state.sequence < items_) return {};
  return fail(
      "training data: expected to go on at a sequence or pair below {}, found {} of epoch {}: the "
      "data is another",
      items_, state.sequence, state.epoch);
}

}  // namespace issun::train
