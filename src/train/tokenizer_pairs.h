// PairTable: the neighbouring pairs of symbols in a text, each with its count and the words it
// stands in, and the most frequent one at any time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace issun::train {

struct SymbolPair {
  int32_t left = 0, right = 0;
  int64_t count = 0;
  std::vector<uint32_t> words;  // where it stands, or has stood; rising unless it came back
  uint32_t changed_in = 0;      // the last round in which its count rose
  bool taken_before = false;    // it was the most frequent once, and came back
};

class PairTable {
 public:
  // `texts` are the bytes of the symbols; it may grow, and outlives the table.
  explicit PairTable(const std::vector<std::string>& texts) : texts_(&texts), slots_(1 << 12) {}

  // Changes a pair's count; where it rises, by its standing in `word` now.
  void change(int32_t left, int32_t right, int64_t by, uint32_t word);

  // Ends a round of changes: the pairs whose counts rose may be taken from now on.
  void settle();

  // The pair of the highest count, of equal ones the one whose left text has the lesser bytes, then
  // whose right text has; it counts 0 from now on. Count 0: there is none.
  SymbolPair take_most_frequent();

 private:
  struct Candidate {
    int64_t count;
    uint32_t pair;
  };
  size_t slot_of(int32_t left, int32_t right) const;
  uint32_t index_of(int32_t left, int32_t right);
  void grow();
  bool comes_later(const Candidate& a, const Candidate& b) const;

  const std::vector<std::string>* texts_;
  std::vector<SymbolPair> pairs_;
  std::vector<uint32_t> slots_;  // open addressing: index in pairs_ + 1, 0 is free; a power of two
  std::vector<uint32_t> risen_;
  // A max-heap. Counts fall without notice: a candidate that is too high goes back in lower.
  std::vector<Candidate> heap_;
  uint32_t round_ = 1;
};

}  // namespace issun::train
