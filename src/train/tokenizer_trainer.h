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
#include "train/tokenizer_pieces.h"
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
  // Unigram: characters that are a token each, as a share of the text; the rarest are left to
  // byte_fallback, 256 tokens <0x00> to <0xFF>, or else become <unk>.
  double character_coverage = 0.9995;
  bool byte_fallback = true;
  CutRules cut = {};
  bool nfkc = false;  // Unigram: texts are normalised, here and by whoever reads the file
  std::function<void(std::string_view what)> progress = {};
};

// Exactly options.vocabulary_size tokens. The result depends on the text and the options alone, not
// on the number of workers. The text may be normalised in place. Error: special tokens that are
// empty, too long or there twice; options that the type has not; fewer tokens than the bytes,
// characters and special tokens need, or more than the text gives (both numbers are said).
Result<TrainedVocabulary> train_tokenizer(TrainingText& text, const TokenizerOptions& options,
                                          Workers& workers);

}  // namespace issun::train
