// PieceText: the words that a Unigram vocabulary is learnt from, as numbers of characters.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "train/tokenizer_words.h"

namespace issun::train {

// Which characters a piece may not join. Both are SentencePiece's options of that name, with its
// defaults.
struct CutRules {
  // No piece mixes scripts. Kanji, hiragana and katakana count as one script, so that 食べる can be
  // a piece; punctuation is another, so that 」と cannot.
  bool split_by_unicode_script = true;
  // Digits belong to punctuation's script; otherwise they join any.
  bool split_by_number = true;
};

constexpr int kLongestPiece = 16;  // characters, the mark of a space included
constexpr int kLongestWord = 64;   // longer ones are cut: what crosses the cut is not learnt

// Appends words that pieces cannot cross: a space begins one (of several only the last; the others
// are a word of their own, as are runs of line ends and of any other control character), and so
// does a change of script.
void cut_pieces(std::string_view text, const CutRules& rules, std::vector<std::string_view>& words);

struct PieceText {
  struct Word {
    uint32_t begin;
    uint8_t size;
    int64_t count;
  };
  // The characters that are kept, the most frequent first, of equal ones the lesser code first. A
  // space is U+2581, and is always there.
  std::vector<char32_t> alphabet;
  std::vector<int64_t> frequencies;  // of them
  std::vector<uint16_t> chars;       // all words, one after the other, as indices in alphabet
  std::vector<Word> words;

  std::string text_of(uint32_t begin, int size) const;
};

// Keeps so many of the most frequent characters that they are at least `coverage` (0 to 1) of the
// text, at most 65,534. Words are cut where the others stand.
PieceText index_words(std::span<const WordCount> words, double coverage);

}  // namespace issun::train
