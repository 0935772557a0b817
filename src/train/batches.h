// Batches: the tokens of a side as rows of equal length, for learning what follows each.
//
// Documents that may be cut stand one behind the other and are cut into windows; those that are
// whole (talks) are put together where they fit. A token sees no other document, and positions
// begin anew with each document, or with the part of it that a window has.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "train/batch_source.h"
#include "train/split.h"
#include "train/token_store.h"

namespace issun::train {

struct BatchOptions {
  int length = 512;  // tokens of a sequence
  uint64_t seed = 0;
  bool shuffle = true;                    // otherwise in the order of the store
  LongTalk long_talk = LongTalk::Refuse;  // a whole document of more than `length` tokens
};

class Batches : public BatchSource {
 public:
  // The store must outlive the result. Error: a length below 2; nothing to learn; a whole document
  // that is too long, with the option Refuse.
  static Result<Batches> create(const TokenStore& store, std::vector<TokenRange> ranges,
                                const BatchOptions& options);

  int64_t item_tokens() const override { return options_.length; }
  int most_sequences(int items) const override { return items; }

 private:
  Batches(const TokenStore& store, const BatchOptions& options)
      : BatchSource(options.seed, options.shuffle), store_(&store), options_(options) {}
  void fill(std::span<const int64_t> items, Batch* batch) const override;
  Result<void> place(const std::vector<TokenRange>& ranges);
  Result<bool> shortened(TokenRange* range);
  void pack(std::vector<TokenRange> talks);
  void fill_row(int64_t sequence, int row, Batch* batch) const;
  int put(const TokenRange& part, int64_t document_end, int at, int row, Batch* batch) const;

  const TokenStore* store_;
  BatchOptions options_;
  std::vector<TokenRange> flow_;          // that may be cut, in order
  std::vector<int64_t> flow_begin_;       // where each begins when all stand one behind the other
  std::vector<TokenRange> talks_;         // in the order of their bins
  std::vector<int64_t> bin_begin_ = {0};  // first talk of each, and the end of the last
  int64_t windows_ = 0;
};

}  // namespace issun::train
