// Runs a pushdown automaton: the set of stacks that a text may have led to, as one number; with
// every step remembered, so that it is computed once.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "grammar/pushdown.h"

namespace issun::grammar {

using Configuration = uint32_t;

class Configurations {
 public:
  static constexpr Configuration kRefused = 0;  // no stack is left: the text was not allowed
  static constexpr Configuration kFirst = 1;    // nothing was read

  // The automaton must outlive this.
  explicit Configurations(const Pushdown& automaton);

  Configuration step(Configuration from, uint8_t byte) {
    const uint32_t row = entries_[from].row;
    const uint32_t known = row != kUnknown ? rows_[row][byte] : kUnknown;
    return known != kUnknown ? known : compute(from, byte);
  }
  // The text may end here.
  bool complete(Configuration at) const { return entries_[at].complete; }
  const Runs& runs(Configuration at) const { return entries_[at].runs; }
  // Tokens that are read as wholes here.
  void tokens(Configuration at, std::vector<int32_t>& out) const;
  Configuration step_token(Configuration from, int32_t token);
  // Either of both.
  Configuration merge(Configuration a, Configuration b);

  size_t size() const { return entries_.size(); }
  // Somewhere more stacks were possible than are kept: such texts are refused.
  bool gave_up() const { return gave_up_; }
  // Forgets everything but one configuration, whose new number it returns.
  Configuration restart_with(Configuration kept);

 private:
  static constexpr uint32_t kUnknown = 0xFFFFFFFF;
  static constexpr uint32_t kBottom = 0;  // the stack with nothing on it
  struct Stack {
    Frame top;
    uint32_t below = kBottom;
    bool operator==(const Stack&) const = default;
  };
  struct StackHash {
    size_t operator()(const Stack& stack) const;
  };
  struct StacksHash {
    size_t operator()(const std::vector<uint32_t>& stacks) const;
  };
  struct Entry {
    std::vector<uint32_t> stacks = {};  // sorted
    uint32_t row = kUnknown;            // in rows_, once a byte was read
    bool complete = false;
    Runs runs = {};
  };
  using Row = std::array<Configuration, 256>;

  uint32_t push(const Frame& top, uint32_t below);
  void begin();
  void open(const Frame& top, uint32_t below);
  Configuration configuration();
  Configuration compute(Configuration from, uint8_t byte);

  const Pushdown& automaton_;
  Memory memory_;
  std::vector<Stack> stacks_;  // [kBottom] is none
  std::unordered_map<Stack, uint32_t, StackHash> stack_numbers_;
  std::vector<Entry> entries_;
  std::vector<Row> rows_;
  std::unordered_map<std::vector<uint32_t>, Configuration, StacksHash> numbers_;
  // Of the step being computed.
  std::vector<uint32_t> reached_;
  std::vector<std::pair<Frame, uint32_t>> work_;
  std::vector<uint32_t> seen_;
  Openings openings_;
  Readings readings_;
  bool overflow_ = false, gave_up_ = false;
};

}  // namespace issun::grammar
