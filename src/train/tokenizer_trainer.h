// From texts to a trained vocabulary: the checks, the steps, and what they report.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/threads.h"
#include "train/tokenizer_file.h"
#include "train/tokenizer_text.h"

namespace issun::train {

enum class TokenizerType { Bpe, Unigram };

struct TokenizerOptions {
  TokenizerType type = TokenizerType::Bpe;
  int vocabulary_size = 0;  // all tokens together: special ones, bytes, and what is learnt
  // Control tokens, in this order, beside those that the type needs (<s>, </s>; Unigram: <unk>).
  // Where they stand in the texts nothing is learnt from them.
  std::vector<std::string> special = {"<|im_start|>", "<|im_end|>"};
  int64_t min_frequency = 2;  // of a pair that is merged, or of a piece
  // BPE: how words are cut, a name of tokenizer/presets.h.
  std::string pre = "qwen2";
  std::function<void(std::string_view what)> progress = {};
};

// Exactly options.vocabulary_size tokens. The result depends on the text and the options alone, not
// on the number of workers. Error: special tokens that are empty, too long or there twice; options
// that the type has not; fewer tokens than the bytes, characters and special tokens need, or more
// than the text gives (both numbers are said).
Result<TrainedVocabulary> train_tokenizer(const TrainingText& text, const TokenizerOptions& options,
                                          Workers& workers);

}  // namespace issun::train
