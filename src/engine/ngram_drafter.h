// Guesses from the text itself: what followed the last time when it ended as it does now. Source:
// Saxena, "Prompt Lookup Decoding" (2023); llama.cpp's lookup decoding.
#pragma once

#include <unordered_map>

#include "engine/drafter.h"

namespace issun::engine {

// Where the last tokens of a text stood before, in time that does not depend on its length.
class NgramIndex {
 public:
  struct Match {
    int next = 0;    // place of the token that followed there; 0: nothing was found
    int length = 0;  // tokens that are alike
  };
  // Ends of `least` to `most` tokens are looked up.
  NgramIndex(int least, int most) : least_(least), most_(most) {}
  // The longest such end of the text that stood there before, and of several the latest. `text` is
  // that of the call before, with or without some tokens more.
  Match find(std::span<const int32_t> text);

 private:
  void grow(std::span<const int32_t> text);
  void add(std::span<const int32_t> text, size_t end);
  size_t slot(int n, uint64_t hash) const;

  int least_, most_;
  size_t known_ = 0;            // what ends before this place is in the table
  size_t size_ = 0;             // of a table, a power of two
  std::vector<int32_t> slots_;  // a table for each n: where such an n-gram ended last
};

class NgramDrafter final : public Drafter {
 public:
  NgramDrafter(int least, int most) : least_(least), most_(most) {}
  bool free() const override { return true; }
  void guess(std::span<Guess* const> guesses) override;
  void forget(int64_t text) override { indices_.erase(text); }

 private:
  int least_, most_;
  std::unordered_map<int64_t, NgramIndex> indices_;
};

}  // namespace issun::engine
