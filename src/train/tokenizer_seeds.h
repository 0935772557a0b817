// Frequent substrings of words: the pieces that a Unigram vocabulary is chosen from.
#pragma once

#include <cstdint>
#include <vector>

#include "base/threads.h"
#include "train/tokenizer_pieces.h"

namespace issun::train {

struct Seed {
  uint32_t at = 0;  // one of the places where it stands, in PieceText::chars
  uint8_t size = 0;
  int64_t frequency = 0;  // words count as often as they occur
};

// Substrings of 2 to kLongestPiece characters that stand min_frequency times or more and that
// different characters follow (where always the same one does, the longer one counts; so
// SentencePiece's suffix tree has it): the `most` of the greatest frequency times length, in that
// order, equal ones in the order of their characters' numbers. Time: that of sorting all places by
// the characters that follow; memory: 16 bytes a place, and what was found.
std::vector<Seed> find_seeds(const PieceText& text, int64_t min_frequency, size_t most,
                             Workers& workers);

}  // namespace issun::train
