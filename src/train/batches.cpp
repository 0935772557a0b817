#include "train/batches.h"

#include <algorithm>
#include <utility>

#include "train/packing.h"
#include "train/random.h"

namespace issun::train {

Result<Batches> Batches::create(const TokenStore& store, std::vector<TokenRange> ranges,
                                const BatchOptions& options) {
  if (options.length < 2) {
    return fail("length of a sequence: expected at least 2 tokens, found {}", options.length);
  }
  Batches batches(store, options);
  TRY(batches.place(ranges));
  if (batches.items_ == 0) return fail("training data: expected tokens to learn, found none");
  batches.report_.padding = batches.items_ * options.length - batches.tokens_;
  return batches;
}

Result<void> Batches::place(const std::vector<TokenRange>& ranges) {
  int64_t flowing = 0;
  std::vector<TokenRange> talks;
  for (TokenRange range : ranges) {
    if (!range.whole) {
      flow_begin_.push_back(flowing);
      flow_.push_back(range);
      flowing += range.end - range.begin;
    } else if (TRY(shortened(&range))) {
      talks.push_back(range);
    }
  }
  windows_ = (flowing + options_.length - 1) / options_.length;
  tokens_ = flowing;
  pack(std::move(talks));
  return {};
}

// A talk as long as a sequence, if it is longer; false when it is left out.
Result<bool> Batches::shortened(TokenRange* range) {
  const int64_t length = range->end - range->begin;
  if (length <= options_.length) return true;
  if (options_.long_talk == LongTalk::Refuse) {
    return fail("a talk of {} tokens: expected at most {}, the length of a sequence", length,
                options_.length);
  }
  const bool kept = options_.long_talk == LongTalk::Truncate;
  (kept ? report_.truncated : report_.skipped) += 1;
  report_.lost_tokens += kept ? length - options_.length : length;
  if (kept) range->end = range->begin + options_.length;
  return kept;
}

void Batches::pack(std::vector<TokenRange> talks) {
  std::vector<int32_t> lengths(talks.size());
  std::vector<TokenRange> ordered(talks.size());
  const Permutation order(static_cast<int64_t>(talks.size()), mixed(options_.seed));
  for (size_t i = 0; i < talks.size(); ++i) {
    const auto from = options_.shuffle ? static_cast<size_t>(order.at(static_cast<int64_t>(i))) : i;
    ordered[i] = talks[from];
    lengths[i] = static_cast<int32_t>(ordered[i].end - ordered[i].begin);
    tokens_ += lengths[i];
  }
  const Bins bins = pack_first_fit(lengths, options_.length);
  for (const int32_t item : bins.items) talks_.push_back(ordered[static_cast<size_t>(item)]);
  bin_begin_ = bins.begin;
  items_ = windows_ + static_cast<int64_t>(bin_begin_.size()) - 1;
}

void Batches::fill(std::span<const int64_t> items, Batch* batch) const {
  batch->clear(static_cast<int>(items.size()), options_.length);
  for (size_t row = 0; row < items.size(); ++row) {
    fill_row(items[row], static_cast<int>(row), batch);
  }
}

void Batches::fill_row(int64_t sequence, int row, Batch* batch) const {
  int at = 0;
  if (sequence >= windows_) {
    const auto bin = static_cast<size_t>(sequence - windows_);
    for (int64_t i = bin_begin_[bin]; i < bin_begin_[bin + 1]; ++i) {
      const TokenRange& talk = talks_[static_cast<size_t>(i)];
      at = put(talk, talk.end, at, row, batch);
    }
    return;
  }
  const int64_t begin = sequence * options_.length;
  auto d = static_cast<size_t>(std::upper_bound(flow_begin_.begin(), flow_begin_.end(), begin) -
                               flow_begin_.begin() - 1);
  for (; d < flow_.size() && at < options_.length; ++d) {
    TokenRange part = flow_[d];
    part.begin += std::max<int64_t>(begin - flow_begin_[d], 0);
    part.end = std::min(part.end, part.begin + options_.length - at);
    at = put(part, flow_[d].end, at, row, batch);
  }
}

// Tokens part.begin .. of a document that ends at `document_end`, from index `at` of a row on;
// returns the index behind them.
int Batches::put(const TokenRange& part, int64_t document_end, int at, int row,
                 Batch* batch) const {
  const int count = static_cast<int>(part.end - part.begin);
  const size_t first =
      static_cast<size_t>(row) * static_cast<size_t>(options_.length) + static_cast<size_t>(at);
  for (int i = 0; i < count; ++i) {
    const size_t slot = first + static_cast<size_t>(i);
    const int64_t following = part.begin + i + 1;
    batch->tokens[slot] = store_->token(following - 1);
    batch->positions[slot] = i;
    batch->visible_begin[slot] = at;
    if (following < document_end && store_->is_learnt(following)) {
      batch->targets[slot] = store_->token(following);
      ++batch->learnt;
    }
  }
  batch->used += count;
  return at + count;
}

}  // namespace issun::train
