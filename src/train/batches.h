// Batches: the tokens of a side as rows of equal length, in an order of its own each epoch.
//
// Documents that may be cut stand one behind the other and are cut into windows; those that are
// whole (talks) are put together where they fit. A token sees no other document, and positions
// begin anew with each document, or with the part of it that a window has.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "train/split.h"
#include "train/token_store.h"

namespace issun::train {

constexpr int32_t kNoTarget = -1;

// All of shape (sequences, length), row after row.
struct Batch {
  int sequences = 0, length = 0;
  std::vector<int32_t> tokens;         // 0 in padding
  std::vector<int32_t> targets;        // the token that follows; kNoTarget: no loss here
  std::vector<int32_t> positions;      // from the begin of the document, or of its part here
  std::vector<int32_t> visible_begin;  // index in the sequence of the first token that this sees;
                                       // itself in padding
  int64_t rows() const { return int64_t{sequences} * length; }
  int64_t used = 0;    // tokens that are no padding
  int64_t learnt = 0;  // targets that are tokens
};

// Where training stands in its data: what a checkpoint keeps.
struct DataState {
  int64_t epoch = 0;
  int64_t sequence = 0;  // the next one, in the order of the epoch
  bool operator==(const DataState&) const = default;
};

enum class LongTalk {
  Refuse,    // an error
  Truncate,  // its begin is kept
  Skip,
};
// "refuse", "truncate" or "skip"; error: another name.
Result<LongTalk> long_talk_from_name(std::string_view name);

struct BatchOptions {
  int length = 512;  // tokens of a sequence
  uint64_t seed = 0;
  bool shuffle = true;                    // otherwise in the order of the store
  LongTalk long_talk = LongTalk::Refuse;  // a whole document of more than `length` tokens
};

struct PackingReport {
  int64_t truncated = 0, skipped = 0;  // whole documents
  int64_t lost_tokens = 0;             // of those
  int64_t padding = 0;                 // tokens, in an epoch
};

class Batches {
 public:
  // The store must outlive the result. Error: a length below 2; nothing to learn; a whole document
  // that is too long, with the option Refuse.
  static Result<Batches> create(const TokenStore& store, std::vector<TokenRange> ranges,
                                const BatchOptions& options);

  // The same in every epoch.
  int64_t sequences() const { return windows_ + static_cast<int64_t>(bin_begin_.size()) - 1; }
  int64_t tokens() const { return tokens_; }  // in an epoch
  const PackingReport& report() const { return report_; }

  // The next `count` sequences; epochs follow each other within a batch. Advances `state`, which
  // must be one that fits(). Reuses the batch's memory.
  void next(int count, DataState* state, Batch* batch) const;
  // Sequences first .. of the order of epoch 0, at most `count` and as many as there are: for
  // validation.
  void read(int64_t first, int count, Batch* batch) const;
  // Error: a state that is none of this data, as after the data changed.
  Result<void> fits(const DataState& state) const;

 private:
  Batches(const TokenStore& store, const BatchOptions& options)
      : store_(&store), options_(options) {}
  Result<void> place(const std::vector<TokenRange>& ranges);
  Result<bool> shortened(TokenRange* range);
  void pack(std::vector<TokenRange> talks);
  int64_t sequence_at(const DataState& state) const;
  void fill(int64_t sequence, int row, Batch* batch) const;
  int put(const TokenRange& part, int64_t document_end, int at, int row, Batch* batch) const;

  const TokenStore* store_;
  BatchOptions options_;
  std::vector<TokenRange> flow_;          // that may be cut, in order
  std::vector<int64_t> flow_begin_;       // where each begins when all stand one behind the other
  std::vector<TokenRange> talks_;         // in the order of their bins
  std::vector<int64_t> bin_begin_ = {0};  // first talk of each, and the end of the last
  int64_t windows_ = 0, tokens_ = 0;
  PackingReport report_;
};

}  // namespace issun::train
