// The distinct words of a text and how often each occurs: all that a tokenizer learns from.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/threads.h"
#include "train/tokenizer_text.h"

namespace issun::train {

struct WordCount {
  std::string_view word;  // into the TrainingText
  int64_t count = 0;
};

// Appends the words of a stretch of text, in order; together they need not be all of it.
using CutWords = std::function<void(std::string_view text, std::vector<std::string_view>& words)>;

// Every chunk, cut first where one of the `special` texts stands (those are no words), then by
// `cut`, which is called from all workers at a time. The result is ordered by the words' bytes.
std::vector<WordCount> count_words(const TrainingText& text,
                                   const std::vector<std::string>& special, const CutWords& cut,
                                   Workers& workers);

}  // namespace issun::train
