// Vocabulary: the tokens of a model as texts, kinds and scores, and the way back from text to
// token.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "gguf/metadata.h"
#include "tokenizer/prefix_tree.h"

namespace issun::tokenizer {

using Token = int32_t;
constexpr Token kNoToken = -1;

// Numbered as in tokenizer.ggml.token_type.
enum class TokenKind : uint8_t {
  Undefined = 0,
  Normal = 1,
  Unknown = 2,
  Control = 3,
  UserDefined = 4,
  Unused = 5,
  Byte = 6,
};

class Vocabulary {
 public:
  // Reads tokens, token_type and scores (all under tokenizer.ggml); texts are views into the file.
  // Error: absent or mistyped tokens, more than 1 GiB of them, lists of other lengths, the same
  // text twice, a byte token that names no byte, a score that is not a number.
  static Result<Vocabulary> load(const gguf::Metadata& metadata);
  Vocabulary(Vocabulary&&) = default;
  Vocabulary& operator=(Vocabulary&&) = default;

  int size() const { return static_cast<int>(texts_.size()); }
  bool has(Token t) const { return t >= 0 && t < size(); }
  std::string_view text(Token t) const { return texts_[static_cast<size_t>(t)]; }
  TokenKind kind(Token t) const { return kinds_[static_cast<size_t>(t)]; }
  void set_kind(Token t, TokenKind kind) { kinds_[static_cast<size_t>(t)] = kind; }
  bool has_scores() const { return !scores_.empty(); }
  float score(Token t) const { return scores_[static_cast<size_t>(t)]; }
  // The token of exactly this text, whatever its kind; kNoToken if there is none.
  Token find(std::string_view text) const;
  // Of the longest text, in bytes.
  size_t longest() const { return longest_; }
  // The token that stands for this byte in vocabularies with byte fallback: "<0x41>", or kNoToken.
  Token byte_token(uint8_t byte) const { return byte_tokens_[byte]; }
  // The texts of all tokens of the kinds that `wanted` accepts, the token as the value.
  PrefixTree prefix_tree(bool (*wanted)(TokenKind)) const;
  // The byte that a token of kind Byte stands for.
  static char byte_of(std::string_view byte_token_text);

 private:
  Vocabulary() = default;
  Result<void> index_texts();
  Result<void> read_kinds(const gguf::Metadata& metadata);
  Result<void> read_scores(const gguf::Metadata& metadata);

  std::vector<std::string_view> texts_;
  std::deque<std::string> made_up_;  // texts of tokens that have none in the file
  std::vector<TokenKind> kinds_;
  std::vector<float> scores_;  // empty when the file has none
  size_t longest_ = 0;
  Token byte_tokens_[256] = {};
  // Open addressing: hash of the text and token + 1 (0: free). The size is a power of two.
  struct Slot {
    uint32_t hash = 0;
    Token token = kNoToken;
  };
  std::vector<Slot> slots_;
};

}  // namespace issun::tokenizer
