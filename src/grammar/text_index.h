// The tokens of a vocabulary by what they are inside a JSON string: characters; the end of the
// string and what comes behind it; or characters and the beginning of another.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "grammar/char_set.h"
#include "grammar/text_language.h"
#include "tokenizer/tokenizer.h"

namespace issun::grammar {

using tokenizer::Token;

class TextIndex {
 public:
  TextIndex() = default;
  // texts[t]: the bytes of token t; empty for tokens that are none.
  explicit TextIndex(std::span<const std::string> texts);

  // Tokens that are whole characters. The first node stands for no characters; below it tokens that
  // begin with a character beyond ASCII are gathered by its block.
  struct Node {
    uint32_t after = 0;      // the node behind all that begin with this one's characters
    uint32_t first = 0;      // of its tokens in tokens(); they end where those of the next begin
    char32_t character = 0;  // the last; kBlock + class of CharSet: a block, with depth 0
    uint16_t depth = 0;      // characters, this one included
    uint16_t longest = 0;    // most characters of the tokens that begin so
    CharSet characters;      // of all of those
  };
  static constexpr char32_t kBlock = kLastCharacter + 1;
  std::span<const Node> nodes() const { return nodes_; }  // depth first, one more at the end
  std::span<const Token> tokens() const { return tokens_; }

  // Tokens that are characters, then an end: a quote and a tail, or the beginning of a character.
  // Nodes as above.
  struct Ending {
    Token token;
    uint32_t what;  // tail, or kUnfinished + beginning
  };
  static constexpr uint32_t kUnfinished = 0x80000000;
  std::span<const Node> ending_nodes() const { return ending_nodes_; }
  std::span<const Ending> endings() const { return endings_; }
  // What a beginning may become.
  std::span<const Range> beginning(uint32_t number) const { return beginnings_[number]; }

  // Different tails as bytes, depth first.
  struct TailNode {
    uint32_t after = 0;
    uint32_t tail = kNoTail;  // that ends here
    uint16_t depth = 0;
    uint8_t byte = 0;
  };
  static constexpr uint32_t kNoTail = 0xFFFFFFFF;
  std::span<const TailNode> tail_nodes() const { return tail_nodes_; }
  size_t tails() const { return tails_.size(); }
  std::string_view tail(uint32_t number) const { return tails_[number].bytes; }
  // It ends another text too, so that what it leads to may depend on what this one was.
  bool ends_another(uint32_t number) const { return tails_[number].ends_another; }
  // The tail of a mere quote; kNoTail: no token ends with one.
  uint32_t empty_tail() const { return empty_tail_; }

  // Most characters of a token of nodes(), or before an ending; bytes of a tail.
  size_t longest() const { return longest_; }
  size_t longest_ending() const { return longest_ending_; }
  size_t longest_tail() const { return longest_tail_; }

  // How many characters the tokens of add_within() have for this run: at most `run`.
  uint32_t whole_run(const TextRuns& runs) const;
  // Adds the tokens of nodes() that consist of up to whole_run() characters of the alphabet.
  void add_within(const TextRuns& runs, std::span<uint64_t> mask) const;

 private:
  struct Spelled;
  void add_characters(std::vector<Spelled> spelled, size_t words);
  void add_endings(std::vector<Spelled> spelled);
  template <class Add>
  void build(std::vector<Spelled>& spelled, std::vector<Node>& nodes, Add add);

  std::vector<Node> nodes_, ending_nodes_;
  std::vector<Token> tokens_;
  std::vector<Ending> endings_;
  std::vector<std::vector<Range>> beginnings_;
  std::vector<TailNode> tail_nodes_;
  struct Tail {
    std::string bytes;
    bool ends_another;
  };
  std::vector<Tail> tails_;
  size_t longest_ = 0, longest_ending_ = 0, longest_tail_ = 0;
  uint32_t empty_tail_ = kNoTail;

  using Mask = std::vector<uint64_t>;
  // Tokens of nodes(): of no more than kLengths[i] characters, and all.
  static constexpr std::array<uint32_t, 34> kLengths = {
      1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17,
      18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 48, 64};
  std::array<Mask, kLengths.size() + 1> short_;
  // That have a character of the class; empty: no token has.
  std::array<Mask, CharSet::kClasses> having_;
  struct Common {
    CharSet characters;
    Mask mask;  // tokens of these characters alone
  };
  std::vector<Common> common_;  // smaller sets first
};

}  // namespace issun::grammar
