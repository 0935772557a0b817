// A pushdown automaton over bytes: frames on a stack, of which the topmost reads. What grammars and
// schemas have in common; configurations.h runs it.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "grammar/text_language.h"

namespace issun::grammar {

// What the numbers mean is the automaton's own business. Equal frames behave equally.
struct Frame {
  uint32_t where = 0, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0;
  bool operator==(const Frame&) const = default;
};

// Lists as numbers, so that frames can hold them. One for each run of an automaton; only grows.
class Memory {
 public:
  uint32_t keep(const std::vector<uint32_t>& list) {
    const auto next = static_cast<uint32_t>(lists_.size());
    const auto [at, fresh] = numbers_.try_emplace(list, next);
    if (fresh) {
      lists_.push_back(list);
      words_ += list.size();
    }
    return at->second;
  }
  // Stays where it is.
  const std::vector<uint32_t>& list(uint32_t number) const { return lists_[number]; }
  size_t words() const { return words_; }

 private:
  std::map<std::vector<uint32_t>, uint32_t> numbers_;
  std::deque<std::vector<uint32_t>> lists_;
  size_t words_ = 0;
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

// Bytes.
class ByteSet {
 public:
  static ByteSet of(std::string_view bytes) {
    ByteSet set;
    for (const char byte : bytes) set.add(static_cast<uint8_t>(byte), static_cast<uint8_t>(byte));
    return set;
  }
  static ByteSet all() {
    ByteSet set;
    set.bits_.fill(~uint64_t{0});
    return set;
  }
  bool has(uint8_t byte) const { return (bits_[byte / 64] >> (byte % 64) & 1) != 0; }
  void add(uint8_t first, uint8_t last) {
    for (unsigned byte = first; byte <= last; ++byte) bits_[byte / 64] |= uint64_t{1} << byte % 64;
  }
  ByteSet& operator|=(const ByteSet& other) {
    for (size_t i = 0; i < bits_.size(); ++i) bits_[i] |= other.bits_[i];
    return *this;
  }

 private:
  std::array<uint64_t, 4> bits_ = {};
};

class Pushdown {
 public:
  virtual ~Pushdown() = default;
  virtual Frame start() const = 0;
  virtual void open(const Frame& frame, Memory& memory, Openings& out) const = 0;
  virtual void read(const Frame& frame, uint8_t byte, Memory& memory, Readings& out) const = 0;

  // Frames inside a JSON string, between two of its characters, are read faster by characters than
  // by bytes; the functions below are for them alone. They say the same as read() and open().
  virtual bool in_text(const Frame&) const { return false; }
  // One character further, however it is spelled; false: it may not follow.
  virtual bool step_text(Frame&, char32_t, Memory&) const { return false; }
  // Where nothing but a machine rules which characters may follow: the machine, and its state
  // there.
  virtual std::pair<const Dfa*, uint32_t> text_machine(const Frame&) const { return {}; }
  // Whether any character of first..last may follow.
  virtual bool may_follow(const Frame&, const Range&, const Memory&) const { return false; }
  // What the quote that ends the text does, as a number: equal ones do the same, as far as no
  // further text ends. kNoEnd: it may not follow.
  static constexpr uint32_t kNoEnd = 0xFFFFFFFF;
  virtual uint32_t text_end(const Frame&, const Memory&) const { return kNoEnd; }
  virtual TextRuns text_runs(const Frame&) const { return {}; }

  // The frame with its lists kept in another memory.
  virtual Frame moved(const Frame& frame, const Memory&, Memory&) const { return frame; }
  // No other byte than these may be read, though not each of them need be readable.
  virtual ByteSet bytes(const Frame&) const { return ByteSet::all(); }
  // Tokens that the frame reads as wholes, and what they lead to.
  virtual void tokens(const Frame&, std::vector<std::pair<int32_t, Frame>>&) const {}
};

}  // namespace issun::grammar
