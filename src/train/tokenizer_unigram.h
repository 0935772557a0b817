// A Unigram vocabulary learnt from words: far too many pieces, then always fewer.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/threads.h"
#include "train/tokenizer_pieces.h"

namespace issun::train {

struct UnigramOptions {
  int pieces = 0;  // how many to end with, at least the characters
  int64_t min_frequency = 2;
  // After every expectation step: how many pieces there are, and how likely the text is with them.
  std::function<void(int pieces, double log_likelihood)> progress = {};
};

// Pieces and the logarithms of their probabilities, the likeliest first, of equal ones in the order
// of their bytes.
using ScoredPieces = std::vector<std::pair<std::string, float>>;

// Kudo 2018, section 3.2, as SentencePiece does it: of the million best substrings, two steps of
// expectation and maximisation, then the three quarters stay whose loss would cost the most
// likelihood; and so on down to `pieces`. All characters stay. Fewer come out only where there are
// not so many substrings.
ScoredPieces learn_pieces(const PieceText& text, const UnigramOptions& options, Workers& workers);

}  // namespace issun::train
