// The tokens of a vocabulary by their bytes, sorted so that what a grammar allows is found without
// looking at each: trees of bytes, and groups of tokens that are allowed or not as one.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "grammar/alphabets.h"
#include "tokenizer/tokenizer.h"

namespace issun::grammar {

using tokenizer::Token;

// Immutable; made once for a vocabulary, some tens of milliseconds.
class TokenIndex {
 public:
  explicit TokenIndex(const tokenizer::Tokenizer& tokenizer);

  struct Node {
    uint32_t after = 0;                 // the node behind all that begin with this one's bytes
    Token token = tokenizer::kNoToken;  // whose bytes end here
    uint16_t depth = 0;                 // bytes, this one included
    uint8_t byte = 0;
  };
  struct Group {
    std::vector<Node> nodes;  // depth first
    // Tokens that consist of characters of this alphabet alone, from `shortest` to `longest` of
    // them; -1: any bytes.
    int alphabet = -1;
    uint32_t shortest = 0, longest = 0;
    std::vector<uint64_t> mask;  // bit t: token t is in the group
  };

  std::span<const Group> groups() const { return groups_; }
  // The next token with the same bytes, or kNoToken.
  Token twin(Token token) const { return twins_[static_cast<size_t>(token)]; }
  std::string_view bytes(Token token) const { return texts_[static_cast<size_t>(token)]; }
  std::span<const Token> ends() const { return ends_; }
  int vocabulary_size() const { return static_cast<int>(texts_.size()); }
  size_t mask_words() const { return (texts_.size() + 63) / 64; }
  size_t longest_token() const { return longest_token_; }

 private:
  void add_group(std::vector<Token> tokens, int alphabet);

  std::vector<std::string> texts_;  // of tokens that are text; others are empty
  std::vector<Token> twins_, ends_;
  std::vector<Group> groups_;
  size_t longest_token_ = 0;
};

}  // namespace issun::grammar
