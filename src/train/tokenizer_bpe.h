// Byte-pair encoding learnt from words (Sennrich, Haddow and Birch 2016), on bytes as GPT-2 has it.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "train/tokenizer_words.h"

namespace issun::train {

struct BpeOptions {
  int size = 0;               // of the vocabulary: single bytes and what merging makes
  int64_t min_frequency = 2;  // a pair that occurs less often is not merged
  std::function<void(int tokens)> progress = {};
};

struct LearntMerges {
  std::vector<std::string> tokens;                  // as bytes; the first 256 are the single ones
  std::vector<std::pair<int32_t, int32_t>> merges;  // of tokens, in the order they were learnt
};

// The most frequent pair of neighbours within words becomes a token, again and again; of pairs
// equally frequent the one of lesser bytes, left before right. Two pairs may make the same text:
// then it is one token of two merges. Fewer than `size` tokens come out where no further pair is
// frequent enough. Every pair of neighbours counts, overlapping ones too ("aaa" has two). Time:
// about that of reading each word once for every merge that changes it.
LearntMerges learn_merges(std::span<const WordCount> words, const BpeOptions& options);

}  // namespace issun::train
