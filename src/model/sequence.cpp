#include "model/sequence.h"

#include <numeric>

namespace issun::model {

Sequence::Sequence(Decoder& decoder, cache::PagedKv& cache)
    : decoder_(decoder),
      cache_(cache),
      table_(cache.new_table()),
      rows_(static_cast<size_t>(decoder.max_rows())) {
  std::iota(rows_.begin(), rows_.end(), 0);
}

Result<Matrix<const float>> Sequence::append(std::span<const int32_t> tokens, Wanted wanted,
                                             int company) {
  const int count = static_cast<int>(tokens.size());
  if (!cache_.extend(table_, count)) {
    return fail("cache: expected room for {} tokens, found {} in all", table_.length + count,
                int64_t{cache_.page_count()} * cache::kPageTokens);
  }
  const SequenceRows sequence{&table_, count};
  const std::span<const int32_t> rows = std::span(rows_).first(tokens.size());
  const auto outputs = wanted == Wanted::All    ? rows
                       : wanted == Wanted::Last ? rows.last(rows.empty() ? 0 : 1)
                                                : rows.first(0);
  auto logits = decoder_.run({tokens, {&sequence, 1}, outputs, company}, cache_);
  if (!logits) cache_.truncate(table_, cache_.has_states() ? 0 : table_.length - count);
  return logits;
}

}  // namespace issun::model
