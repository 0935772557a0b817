// Batches: what one pass through the network reads, and where training takes it from, in an order
// of its own each epoch. Not here: how rows are filled (batches.h, pair_batches.h).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace issun::train {

constexpr int32_t kNoTarget = -1;

// Rows of a batch that are one text.
struct TextRows {
  int64_t first = 0;
  int rows = 0;
  bool operator==(const TextRows&) const = default;
};

// All of shape (sequences, length), row after row.
struct Batch {
  int sequences = 0, length = 0;
  std::vector<int32_t> tokens;         // 0 in padding
  std::vector<int32_t> targets;        // the token that follows; kNoTarget: no loss here
  std::vector<int32_t> positions;      // from the begin of the document, or of its part here
  std::vector<int32_t> visible_begin;  // index in the sequence of the first token that this sees;
                                       // itself in padding
  // Of pairs alone: candidate p answers query p; candidates beyond them answer none.
  std::vector<TextRows> queries = {}, candidates = {};
  int64_t rows() const { return int64_t{sequences} * length; }
  int64_t used = 0;    // tokens that are no padding
  int64_t learnt = 0;  // targets that are tokens, or queries

  // Padding alone, in the same memory.
  void clear(int sequences, int length);
};

// Where training stands in its data: what a checkpoint keeps.
struct DataState {
  int64_t epoch = 0;
  int64_t sequence = 0;  // the next item, in the order of the epoch
  bool operator==(const DataState&) const = default;
};

enum class LongTalk {
  Refuse,    // an error
  Truncate,  // its begin is kept
  Skip,
};
// "refuse", "truncate" or "skip"; error: another name.
Result<LongTalk> long_talk_from_name(std::string_view name);

struct PackingReport {
  int64_t truncated = 0, skipped = 0;  // whole documents; or texts of pairs, and pairs
  int64_t lost_tokens = 0;             // of those
  int64_t padding = 0;                 // tokens, in an epoch; not counted for pairs
};

class BatchSource {
 public:
  virtual ~BatchSource() = default;

  // What an epoch is made of, sequences or pairs of texts: the same in every epoch.
  int64_t items() const { return items_; }
  int64_t tokens() const { return tokens_; }  // in an epoch
  const PackingReport& report() const { return report_; }
  // What an item takes, padding included; of pairs the mean without.
  virtual int64_t item_tokens() const = 0;
  // The most sequences that a batch of so many items can have.
  virtual int most_sequences(int items) const = 0;

  // The next `count` items; epochs follow each other within a batch. Advances `state`, which must
  // be one that fits(). Reuses the batch's memory.
  void next(int count, DataState* state, Batch* batch) const;
  // Items first .. of the order of epoch 0, at most `count` and as many as there are: for
  // validation.
  void read(int64_t first, int count, Batch* batch) const;
  // Error: a state that is none of this data, as after the data changed.
  Result<void> fits(const DataState& state) const;

 protected:
  BatchSource(uint64_t seed, bool shuffle) : seed_(seed), shuffle_(shuffle) {}
  virtual void fill(std::span<const int64_t> items, Batch* batch) const = 0;
  int64_t items_ = 0, tokens_ = 0;
  PackingReport report_;

 private:
  int64_t item_at(const DataState& state) const;
  uint64_t seed_;
  bool shuffle_;
};

}  // namespace issun::train
