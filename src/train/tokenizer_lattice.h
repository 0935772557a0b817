// PieceModel: pieces with probabilities, and all the ways in which they spell the words of a text
// (Kudo 2018, "Subword Regularization", section 3.2).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/threads.h"
#include "train/tokenizer_pieces.h"
#include "train/tokenizer_seeds.h"

namespace issun::train {

// Pieces 0 to alphabet.size() - 1 are the single characters, which always stay, so that every word
// can be spelt. No tree of pieces is walked: each place in the text knows the longest piece that
// starts there and each piece the longest that it starts with, which are all that start there.
class PieceModel {
 public:
  // Probabilities in proportion to frequency times length. The text outlives the model.
  PieceModel(const PieceText& text, std::span<const Seed> seeds, Workers& workers);

  int size() const { return static_cast<int>(pieces_.size()); }
  int characters() const { return static_cast<int>(text_->alphabet.size()); }
  int size_of(int piece) const { return pieces_[static_cast<size_t>(piece)].size; }
  double score(int piece) const { return scores_[static_cast<size_t>(piece)]; }  // log probability
  std::string text_of(int piece) const;

  // How often each piece is expected in the text, all spellings weighted by their probability, and
  // the logarithm of the text's probability under the model. Sums are those of whole numbers, so
  // that they do not depend on who adds what.
  struct Expectation {
    std::vector<double> counts;
    double log_likelihood = 0;
  };
  Expectation expect(Workers& workers) const;
  // Probabilities in proportion to these counts: after expect(), the text is likelier than before
  // (Dempster, Laird and Rubin 1977). Characters keep a probability of 1e-9 at least, pieces one of
  // 1e-15.
  void maximise(std::span<const double> counts);

  // How often each piece stands in the likeliest spellings of all words.
  std::vector<int64_t> best_counts(Workers& workers) const;
  // The likeliest spelling of a piece of two characters or more by others; its score is the result.
  double spell_otherwise(int piece, std::vector<int32_t>& others) const;

  // Only pieces kept[piece] stay, and the characters; the order stays.
  void keep(const std::vector<bool>& kept);

 private:
  struct Piece {
    uint32_t at;      // where it stands, in the text
    int32_t shorter;  // the longest piece that it starts with, or -1
    uint8_t size;
  };
  struct Edge {
    double weight;
    int32_t shorter;
    int32_t size;
  };
  struct Scratch;
  void set_weights();
  double expect_word(const PieceText::Word& word, Scratch& scratch) const;
  double spell(uint32_t begin, int size, int but, std::vector<int32_t>& spelling) const;

  const PieceText* text_;
  std::vector<Piece> pieces_;
  std::vector<double> scores_;
  std::vector<Edge> edges_;       // of the pieces, for expect_word()
  std::vector<int32_t> longest_;  // that starts at each place
};

}  // namespace issun::train
