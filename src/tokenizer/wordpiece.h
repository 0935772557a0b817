// WordPiece: BERT's tokenizer. Words are cut at spaces, punctuation and ideographs, stripped of
// case and accents where the model wants it, and cut further into the longest tokens from the left.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "gguf/metadata.h"
#include "tokenizer/prefix_tree.h"
#include "tokenizer/vocabulary.h"
#include "tokenizer/word_cutter.h"

namespace issun::tokenizer {

class WordPiece {
 public:
  // The vocabulary has U+2581 at the start of words and nothing before their further pieces.
  // `unknown` stands for a word that cannot be cut. Reads tokenizer.ggml.normalizer.lowercase
  // (default true) and .strip_accents (default: as lowercase). Error: no unknown token.
  static Result<WordPiece> create(const Vocabulary& vocabulary, const gguf::Metadata& metadata,
                                  Token unknown);

  // Appends the tokens of a text without special tokens. Malformed bytes and control characters
  // are left out. Time: bytes of the text times bytes of the longest token.
  void encode(std::string_view text, std::vector<Token>& out) const;

 private:
  void encode_word(std::string& word, std::vector<Token>& out) const;

  Token unknown_ = kNoToken;
  WordRules rules_;
  PrefixTree tokens_;
};

}  // namespace issun::tokenizer
