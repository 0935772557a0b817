// PairBatches: pairs of texts (a query, the text that answers it, and perhaps one that does not) in
// batches, for contrastive learning. An item is a pair; its texts see nothing but themselves.
#pragma once

#include <algorithm>
#include <array>
#include <vector>

#include "base/result.h"
#include "train/batch_source.h"
#include "train/split.h"
#include "train/token_store.h"

namespace issun::train {

struct PairBatchOptions {
  int length = 512;  // tokens of a sequence: of the longest text
  // Tokens that stand behind every text (EncodedDocument). A text that is cut keeps them: with some
  // models the last token's vector is the text's.
  int ending = 0;
  uint64_t seed = 0;
  bool shuffle = true;                    // otherwise in the order of the store
  LongTalk long_text = LongTalk::Refuse;  // of more than `length` tokens; Skip: its pair
};

class PairBatches : public BatchSource {
 public:
  // The store must outlive the result, and have been made of pairs alone. Error: a document that is
  // no pair; a length that leaves no room beside the ending; fewer than two pairs; a text that is
  // too long, with the option Refuse.
  static Result<PairBatches> create(const TokenStore& store, const std::vector<TokenRange>& ranges,
                                    const PairBatchOptions& options);

  int64_t item_tokens() const override { return std::max<int64_t>(1, tokens_ / items_); }
  int most_sequences(int items) const override;

 private:
  struct Pair {
    // Where in the store each text begins, and the last one ends.
    std::array<int64_t, 4> bounds;
    int texts;  // 2 or 3
  };
  struct Text {
    const Pair* pair;
    int index;
  };
  PairBatches(const TokenStore& store, const PairBatchOptions& options)
      : BatchSource(options.seed, options.shuffle), store_(&store), options_(options) {}
  Result<Pair> find_texts(const TokenRange& range) const;
  Result<bool> fits_or_is_cut(const Pair& pair);
  // Texts are put together where they fit, a pair that is there twice (as the end of an epoch and
  // the begin of the next may have it) only once: its own copy would count as a wrong answer.
  void fill(std::span<const int64_t> items, Batch* batch) const override;
  int64_t length_of(const Pair& pair, int text) const;  // as it is read: cut where it is too long
  int64_t length_of(const Pair& pair) const;
  std::vector<Text> texts_of(std::span<const int64_t> items) const;
  void put(const Text& text, int64_t at, Batch* batch) const;

  const TokenStore* store_;
  PairBatchOptions options_;
  std::vector<Pair> pairs_;
};

}  // namespace issun::train
