// The tokens of a vocabulary by their bytes, sorted so that what a grammar allows is found without
// looking at each.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "grammar/text_index.h"
#include "tokenizer/tokenizer.h"

namespace issun::grammar {

// Immutable; made once for a vocabulary, in some tenths of a second.
class TokenIndex {
 public:
  explicit TokenIndex(const tokenizer::Tokenizer& tokenizer);

  struct Node {
    uint32_t after = 0;                 // the node behind all that begin with this one's bytes
    Token token = tokenizer::kNoToken;  // whose bytes end here
    uint16_t depth = 0;                 // bytes, this one included
    uint8_t byte = 0;
  };
  std::span<const Node> nodes() const { return nodes_; }  // depth first
  const TextIndex& texts() const { return texts_index_; }

  // The next token with the same bytes, or kNoToken.
  Token twin(Token token) const { return twins_[static_cast<size_t>(token)]; }
  std::string_view bytes(Token token) const { return texts_[static_cast<size_t>(token)]; }
  std::span<const Token> ends() const { return ends_; }
  int vocabulary_size() const { return static_cast<int>(texts_.size()); }
  size_t mask_words() const { return (texts_.size() + 63) / 64; }
  size_t longest_token() const { return longest_token_; }

 private:
  std::vector<std::string> texts_;  // of tokens that are text; others are empty
  std::vector<Token> twins_, ends_;
  std::vector<Node> nodes_;
  size_t longest_token_ = 0;
  TextIndex texts_index_;
};

}  // namespace issun::grammar
