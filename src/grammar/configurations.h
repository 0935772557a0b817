// Runs a pushdown automaton: the set of stacks that a text may have led to, as one number; with
// every step remembered, so that it is computed once.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "grammar/number_table.h"
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
    if (!entries_[from].bytes.has(byte)) return kRefused;
    const uint32_t known = steps_.find(from << 8 | byte);
    return known != NumberTable::kNone ? known : compute(from, byte);
  }
  // The text may end here.
  bool complete(Configuration at) const { return entries_[at].complete; }
  // Tokens that are read as wholes here.
  void tokens(Configuration at, std::vector<int32_t>& out) const;
  Configuration step_token(Configuration from, int32_t token);
  // Stacks whose top is inside a text (pushdown.h).
  struct Text {
    Frame top;
    uint32_t below;
  };
  void texts(Configuration at, std::vector<Text>& out) const;
  // The others.
  Configuration without_texts(Configuration at);
  // Behind the quote that ends the text.
  Configuration end_text(const Text& text);
  const Pushdown& automaton() const { return automaton_; }
  Memory& memory() { return memory_; }
  // Either of both.
  Configuration merge(Configuration a, Configuration b);

  // What may be computed from now on before everything is refused: frames that are opened count
  // kFrameWork, and what else the caller spends.
  static constexpr int64_t kFrameWork = 16;
  void allow_work(int64_t work) { work_left_ = work; }
  int64_t work_left() const { return work_left_; }
  bool exhausted() const { return work_left_ <= 0; }
  void spend(int64_t work) { work_left_ -= work; }

  size_t size() const { return entries_.size(); }
  size_t memory_words() const { return memory_.words(); }
  // Somewhere more stacks were possible than are kept: such texts are refused.
  bool gave_up() const { return gave_up_; }
  // Forgets everything but one configuration, whose new number it returns.
  Configuration restart_with(Configuration kept);

 private:
  static constexpr uint32_t kBottom = 0;  // the stack with nothing on it
  struct Stack {
    Frame top;
    uint32_t below = kBottom;
    bool operator==(const Stack&) const = default;
  };
  struct Entry {
    uint32_t first = 0, count = 0;  // of its stacks, in members_
    bool complete = false;
    ByteSet bytes = {};  // that some stack may read
  };

  std::span<const uint32_t> stacks_of(Configuration at) const {
    return std::span(members_).subspan(entries_[at].first, entries_[at].count);
  }
  uint32_t push(const Frame& top, uint32_t below);
  void begin();
  void forget_all();
  void open(const Frame& top, uint32_t below);
  Configuration configuration();
  void read(const Stack& stack, uint8_t byte);
  Configuration compute(Configuration from, uint8_t byte);

  const Pushdown& automaton_;
  Memory memory_;
  std::vector<Stack> stacks_;  // [kBottom] is none
  std::vector<Entry> entries_;
  std::vector<uint32_t> members_;        // of each entry: its stacks, sorted
  NumberTable stack_numbers_, numbers_;  // by hash
  NumberTable steps_;                    // by configuration and byte
  // Of the step being computed.
  std::vector<uint32_t> reached_;
  std::vector<std::pair<Frame, uint32_t>> work_;
  std::vector<uint32_t> seen_in_;  // by stack: the number of the step that saw it last
  uint32_t step_number_ = 0;
  size_t seen_count_ = 0;
  Openings openings_;
  Readings readings_;
  bool overflow_ = false, gave_up_ = false;
  int64_t work_left_ = INT64_MAX;
};

}  // namespace issun::grammar
