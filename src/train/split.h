// Which documents are learnt from, and which are kept to see how well that went.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "train/token_store.h"

namespace issun::train {

// Tokens begin .. end - 1 of a store: a document, or a part of one.
struct TokenRange {
  int64_t begin = 0, end = 0;
  bool whole = false;  // as TokenDocument
  bool operator==(const TokenRange&) const = default;
};

struct SplitOptions {
  double valid_share = 0.05;  // of the documents, about; 0: none, at most 0.5
  uint64_t seed = 0;
};

struct DocumentSides {
  std::vector<TokenRange> train, valid;  // in the order of the store
  std::string note;  // what a person should know of how it was split; empty: nothing
};

// A document's content and the seed decide its side, so that the same text is never on both, and
// other documents change nothing. Where there are two contents or more both sides have one; of a
// single text the last share of its tokens is held out. Error: a share outside 0 to 0.5; a single
// talk, or a text too short to be cut.
Result<DocumentSides> split_documents(const TokenStore& store, const SplitOptions& options);

}  // namespace issun::train
