// A pushdown automaton over bytes: frames on a stack, of which the topmost reads. What grammars and
// schemas have in common; configurations.h runs it.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <utility>
#include <vector>

#include "grammar/alphabets.h"

namespace issun::grammar {

// What the numbers mean is the automaton's own business. Equal frames behave equally.
struct Frame {
  uint32_t where = 0, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0;
  bool operator==(const Frame&) const = default;
};

// Lists as numbers, so that frames can hold them. One for each run of an automaton; only grows.
class Memory {
 public:
  uint32_t keep(const std::vector<uint32_t>& list) {
    const auto next = static_cast<uint32_t>(lists_.size());
    const auto [at, fresh] = numbers_.try_emplace(list, next);
    if (fresh) lists_.push_back(list);
    return at->second;
  }
  // Stays where it is.
  const std::vector<uint32_t>& list(uint32_t number) const { return lists_[number]; }

 private:
  std::map<std::vector<uint32_t>, uint32_t> numbers_;
  std::deque<std::vector<uint32_t>> lists_;
};

// What a frame does without reading.
struct Openings {
  struct Call {
    Frame child;
    Frame back = {};       // takes this frame's place below the child
    bool replaces = true;  // nothing is left to do after the child: no `back`
  };
  bool reads = false;  // it stays, to read a byte
  bool done = false;   // it is left
  std::vector<Call> calls;
  void clear() { reads = done = false, calls.clear(); }
};

// What becomes of a frame that has read a byte: any of these; none: the byte is refused.
struct Readings {
  bool done = false;  // it is left
  std::vector<Frame> next;
  void clear() { done = false, next.clear(); }
};

class Pushdown {
 public:
  virtual ~Pushdown() = default;
  virtual Frame start() const = 0;
  virtual void open(const Frame& frame, Memory& memory, Openings& out) const = 0;
  virtual void read(const Frame& frame, uint8_t byte, Memory& memory, Readings& out) const = 0;
  virtual Runs runs(const Frame&) const { return {}; }
  // Tokens that the frame reads as wholes, and what they lead to.
  virtual void tokens(const Frame&, std::vector<std::pair<int32_t, Frame>>&) const {}
};

}  // namespace issun::grammar
