#include "train/tokenizer_lattice.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/utf8.h"
#include "tokenizer/prefix_tree.h"

namespace issun::train {

namespace {

using tokenizer::PrefixTree;

constexpr double kLeastOfCharacter = 1e-9, kLeast = 1e-15;  // probabilities
constexpr double kUnit = 1 << 20;                           // sums are whole numbers of 1 / kUnit
constexpr int64_t kWordsAtATime = 256;

int64_t whole(double value) { return std::llround(value * kUnit); }

// Two bytes a character, the higher first.
std::string bytes_of_chars(std::span<const uint16_t> chars) {
  std::string bytes;
  bytes.reserve(chars.size() * 2);
  for (const uint16_t c : chars) {
    bytes += static_cast<char>(c >> 8);
    bytes += static_cast<char>(c & 0xFF);
  }
  return bytes;
}

}  // namespace

PieceModel::PieceModel(const PieceText& text, std::span<const Seed> seeds, Workers& workers)
    : text_(&text), longest_(text.chars.size(), -1) {
  std::vector<double> counts;
  for (size_t c = 0; c < text.alphabet.size(); ++c) {
    pieces_.push_back({0, -1, 1});
    counts.push_back(static_cast<double>(text.frequencies[c]));
  }
  for (uint32_t place = 0; place < text.chars.size(); ++place) {
    pieces_[text.chars[place]].at = place;
  }
  for (const Seed& seed : seeds) {
    pieces_.push_back({seed.at, -1, seed.size});
    counts.push_back(static_cast<double>(seed.frequency) * seed.size);
  }
  const std::string bytes = bytes_of_chars(text.chars);
  const auto bytes_at = [&](uint32_t at, int size) {
    return std::string_view(bytes).substr(size_t{2} * at, size_t{2} * static_cast<size_t>(size));
  };
  std::vector<PrefixTree::Text> texts;
  for (size_t p = text.alphabet.size(); p < pieces_.size(); ++p) {
    texts.push_back({bytes_at(pieces_[p].at, pieces_[p].size), static_cast<int32_t>(p)});
  }
  const PrefixTree tree(std::move(texts));
  const auto longest = [&](uint32_t at, int size) -> int32_t {
    const int32_t piece = tree.longest_at(bytes_at(at, size), 0).value;
    return piece >= 0 ? piece : text.chars[at];
  };
  workers.for_each(static_cast<int64_t>(text.words.size()), kWordsAtATime,
                   [&](int64_t w, int64_t end, int) {
                     for (; w < end; ++w) {
                       const PieceText::Word& word = text.words[static_cast<size_t>(w)];
                       for (int i = 0; i < word.size; ++i) {
                         const uint32_t at = word.begin + static_cast<uint32_t>(i);
                         longest_[at] = longest(at, std::min(kLongestPiece, word.size - i));
                       }
                     }
                   });
  for (size_t p = text.alphabet.size(); p < pieces_.size(); ++p) {
    pieces_[p].shorter = longest(pieces_[p].at, pieces_[p].size - 1);
  }
  maximise(counts);
}

std::string PieceModel::text_of(int piece) const {
  const Piece& p = pieces_[static_cast<size_t>(piece)];
  if (piece >= characters()) return text_->text_of(p.at, p.size);
  std::string text;
  append_utf8(text_->alphabet[static_cast<size_t>(piece)], text);
  return text;
}

void PieceModel::maximise(std::span<const double> counts) {
  const double sum = std::accumulate(counts.begin(), counts.end(), 0.0);
  scores_.resize(pieces_.size());
  for (size_t p = 0; p < pieces_.size(); ++p) {
    const double least = p < text_->alphabet.size() ? kLeastOfCharacter : kLeast;
    scores_[p] = std::log(std::max(sum > 0 ? counts[p] / sum : 0, least));
  }
  set_weights();
}

// The weight of a piece is its probability over the root of that of its characters. Then no sum
// over the spellings of kLongestWord = 64 characters leaves the range of a double: the spelling by
// characters weighs sqrt(1e-9)^64 = 1e-288 at least, and all together weigh less than 64 / 1e-288.
void PieceModel::set_weights() {
  edges_.resize(pieces_.size());
  for (size_t p = 0; p < pieces_.size(); ++p) {
    const Piece& piece = pieces_[p];
    double half = 0;
    if (p < text_->alphabet.size()) half = scores_[p] / 2;
    for (uint32_t i = 0; p >= text_->alphabet.size() && i < piece.size; ++i) {
      half += scores_[text_->chars[piece.at + i]] / 2;
    }
    edges_[p] = {std::exp(scores_[p] - half), piece.shorter, piece.size};
  }
}

struct PieceModel::Scratch {
  explicit Scratch(int pieces) : counts(static_cast<size_t>(pieces), 0) {}
  std::vector<int64_t> counts;
  int64_t log_likelihood = 0;
  double before[kLongestWord + 1] = {}, after[kLongestWord + 1] = {};
};

// Forward and backward through the lattice of one word; the result is the logarithm of its
// probability.
double PieceModel::expect_word(const PieceText::Word& word, Scratch& scratch) const {
  const int size = word.size;
  const int32_t* longest = longest_.data() + word.begin;
  double *before = scratch.before, *after = scratch.after;
  std::fill_n(before, size + 1, 0.0);
  std::fill_n(after, size + 1, 0.0);
  before[0] = after[size] = 1;
  for (int i = 0; i < size; ++i) {
    for (int32_t p = longest[i]; p >= 0; p = edges_[static_cast<size_t>(p)].shorter) {
      const Edge& edge = edges_[static_cast<size_t>(p)];
      before[i + edge.size] += before[i] * edge.weight;
    }
  }
  const double scale = static_cast<double>(word.count) / before[size];
  double halves = 0;
  for (int i = size - 1; i >= 0; --i) {
    halves += scores_[text_->chars[word.begin + static_cast<uint32_t>(i)]] / 2;
    for (int32_t p = longest[i]; p >= 0; p = edges_[static_cast<size_t>(p)].shorter) {
      const Edge& edge = edges_[static_cast<size_t>(p)];
      const double rest = edge.weight * after[i + edge.size];
      after[i] += rest;
      scratch.counts[static_cast<size_t>(p)] += whole(before[i] * rest * scale);
    }
  }
  return std::log(before[size]) + halves;
}

PieceModel::Expectation PieceModel::expect(Workers& workers) const {
  std::vector<Scratch> scratches(static_cast<size_t>(workers.count()), Scratch(size()));
  workers.for_each(static_cast<int64_t>(text_->words.size()), kWordsAtATime,
                   [&](int64_t w, int64_t end, int worker) {
                     Scratch& scratch = scratches[static_cast<size_t>(worker)];
                     for (; w < end; ++w) {
                       const PieceText::Word& word = text_->words[static_cast<size_t>(w)];
                       scratch.log_likelihood +=
                           whole(expect_word(word, scratch) * static_cast<double>(word.count));
                     }
                   });
  Scratch& sum = scratches[0];
  for (size_t s = 1; s < scratches.size(); ++s) {
    sum.log_likelihood += scratches[s].log_likelihood;
    for (size_t p = 0; p < sum.counts.size(); ++p) sum.counts[p] += scratches[s].counts[p];
  }
  Expectation result;
  result.log_likelihood = static_cast<double>(sum.log_likelihood) / kUnit;
  result.counts.reserve(sum.counts.size());
  for (const int64_t count : sum.counts) {
    result.counts.push_back(static_cast<double>(count) / kUnit);
  }
  return result;
}

// Viterbi's algorithm without the piece `but`; of equal spellings the one found first, whose last
// piece starts first.
double PieceModel::spell(uint32_t begin, int size, int but, std::vector<int32_t>& spelling) const {
  double best[kLongestWord + 1];
  int32_t last[kLongestWord + 1];
  std::fill_n(best, size + 1, -std::numeric_limits<double>::infinity());
  best[0] = 0;
  for (int i = 0; i < size; ++i) {
    for (int32_t p = longest_[begin + static_cast<uint32_t>(i)]; p >= 0;
         p = edges_[static_cast<size_t>(p)].shorter) {
      const int end = i + edges_[static_cast<size_t>(p)].size;
      if (end > size || p == but) continue;
      const double sum = best[i] + scores_[static_cast<size_t>(p)];
      if (sum <= best[end]) continue;
      best[end] = sum;
      last[end] = p;
    }
  }
  spelling.clear();
  for (int end = size; end > 0; end -= edges_[static_cast<size_t>(last[end])].size) {
    spelling.push_back(last[end]);
  }
  return best[size];
}

std::vector<int64_t> PieceModel::best_counts(Workers& workers) const {
  std::vector<std::vector<int64_t>> counts(static_cast<size_t>(workers.count()),
                                           std::vector<int64_t>(pieces_.size(), 0));
  workers.for_each(static_cast<int64_t>(text_->words.size()), kWordsAtATime,
                   [&](int64_t w, int64_t end, int worker) {
                     std::vector<int32_t> spelling;
                     for (; w < end; ++w) {
                       const PieceText::Word& word = text_->words[static_cast<size_t>(w)];
                       spell(word.begin, word.size, -1, spelling);
                       for (const int32_t p : spelling) {
                         counts[static_cast<size_t>(worker)][static_cast<size_t>(p)] += word.count;
                       }
                     }
                   });
  for (size_t c = 1; c < counts.size(); ++c) {
    for (size_t p = 0; p < pieces_.size(); ++p) counts[0][p] += counts[c][p];
  }
  return std::move(counts[0]);
}

double PieceModel::spell_otherwise(int piece, std::vector<int32_t>& others) const {
  const Piece& p = pieces_[static_cast<size_t>(piece)];
  return spell(p.at, p.size, piece, others);
}

void PieceModel::keep(const std::vector<bool>& kept) {
  // What stands for each piece now: itself, or the longest that stays of those it starts with.
  std::vector<int32_t> numbers(pieces_.size(), -1);
  size_t count = 0;
  for (size_t p = 0; p < pieces_.size(); ++p) {
    const bool stays = p < text_->alphabet.size() || kept[p];
    if (stays) numbers[p] = static_cast<int32_t>(count++);
  }
  const auto standing = [&](int32_t p) {
    while (p >= 0 && numbers[static_cast<size_t>(p)] < 0) {
      p = pieces_[static_cast<size_t>(p)].shorter;
    }
    return p < 0 ? -1 : numbers[static_cast<size_t>(p)];
  };
  for (int32_t& piece : longest_) piece = standing(piece);
  std::vector<Piece> pieces;
  std::vector<double> scores;
  for (size_t p = 0; p < pieces_.size(); ++p) {
    if (numbers[p] < 0) continue;
    pieces.push_back({pieces_[p].at, standing(pieces_[p].shorter), pieces_[p].size});
    scores.push_back(scores_[p]);
  }
  pieces_.swap(pieces);
  scores_.swap(scores);
  set_weights();
}

}  // namespace issun::train
