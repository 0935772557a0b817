// Unigram: SentencePiece's vocabularies with probabilities (T5, XLM-RoBERTa): of all ways to cut a
// text into tokens the one with the best sum of scores.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "gguf/metadata.h"
#include "tokenizer/charsmap.h"
#include "tokenizer/prefix_tree.h"
#include "tokenizer/vocabulary.h"
#include "tokenizer/word_cutter.h"
#include "tokenizer/word_starts.h"

namespace issun::tokenizer {

class Unigram {
 public:
  // The vocabulary outlives the result. `unknown` stands for characters that no token has; where
  // the vocabulary has a token for each byte, those take its place. Reads add_space_prefix and
  // remove_extra_whitespaces (default false) and precompiled_charsmap, all under tokenizer.ggml.
  // Where it has normalizer.lowercase, the text is cut into BERT's words first, in which
  // normalizer.punctuation (default false) stands for ASCII's punctuation by itself. Error: no
  // scores, infinite ones, no unknown token, a malformed charsmap.
  static Result<Unigram> create(const Vocabulary& vocabulary, const gguf::Metadata& metadata,
                                Token unknown);

  // Appends the tokens of a text without special tokens. Time: bytes of the text times bytes of
  // the longest token.
  void encode(std::string_view text, std::vector<Token>& out) const;

  // The text as its tokens spell it: replaced by the charsmap, U+FFFD for malformed bytes, U+2581
  // for spaces.
  std::string normalised(std::string_view text) const;

 private:
  struct Best;
  struct Scratch;
  explicit Unigram(const Vocabulary& vocabulary) : vocabulary_(&vocabulary) {}
  Result<void> read_words(const gguf::Metadata& metadata);
  Result<void> read_scores();
  void encode_word(std::string_view word, Scratch& scratch, std::vector<Token>& out) const;
  void append_unknown(std::string_view text, Scratch& scratch, std::vector<Token>& out) const;

  const Vocabulary* vocabulary_;
  Token unknown_ = kNoToken;
  bool byte_fallback_ = false;
  bool space_before_ = false, one_space_ = false;
  float unknown_score_ = 0;
  std::optional<WordRules> words_;
  Charsmap charsmap_;
  PrefixTree tokens_;
  WordStarts word_starts_;
};

}  // namespace issun::tokenizer
