#include "train/tokenizer_bpe.h"

#include <algorithm>
#include <unordered_map>

#include "train/tokenizer_pairs.h"

namespace issun::train {

namespace {

constexpr int kByteSymbols = 256;
// Longer words count in pieces: every merge in a word reads all of it.
constexpr size_t kLongestWhole = 256;

// Words as symbols, one after the other; each shrinks in place as its symbols merge.
class Symbols {
 public:
  explicit Symbols(std::span<const WordCount> words) {
    size_t bytes = 0;
    for (const WordCount& word : words) bytes += word.word.size();
    symbols_.reserve(bytes);
    for (const WordCount& word : words) {
      for (size_t at = 0; at < word.word.size(); at += kLongestWhole) {
        add(word.word.substr(at, kLongestWhole), word.count);
      }
    }
  }

  uint32_t count() const { return static_cast<uint32_t>(words_.size()); }
  int64_t frequency(uint32_t word) const { return words_[word].count; }
  std::span<int32_t> of(uint32_t word) {
    return std::span(symbols_).subspan(words_[word].begin, words_[word].size);
  }
  void shrink(uint32_t word, size_t size) { words_[word].size = static_cast<uint32_t>(size); }

 private:
  struct Word {
    uint64_t begin;
    uint32_t size;
    int64_t count;
  };
  void add(std::string_view bytes, int64_t count) {
    words_.push_back({symbols_.size(), static_cast<uint32_t>(bytes.size()), count});
    for (const char byte : bytes) symbols_.push_back(static_cast<unsigned char>(byte));
  }

  std::vector<int32_t> symbols_;
  std::vector<Word> words_;
};

class Learner {
 public:
  Learner(std::span<const WordCount> words, const BpeOptions& options)
      : options_(options), symbols_(words), pairs_(learnt_.tokens) {
    for (int byte = 0; byte < kByteSymbols; ++byte) {
      learnt_.tokens.emplace_back(1, static_cast<char>(byte));
    }
    for (uint32_t word = 0; word < symbols_.count(); ++word) {
      const std::span<const int32_t> symbols = symbols_.of(word);
      for (size_t i = 0; i + 1 < symbols.size(); ++i) {
        pairs_.change(symbols[i], symbols[i + 1], symbols_.frequency(word), word);
      }
    }
    pairs_.settle();
  }

  LearntMerges learn() {
    while (static_cast<int>(learnt_.tokens.size()) < options_.size) {
      const SymbolPair pair = pairs_.take_most_frequent();
      if (pair.count < std::max<int64_t>(1, options_.min_frequency)) break;
      const int32_t made = token_of(pair);
      if (!pair.taken_before) learnt_.merges.emplace_back(pair.left, pair.right);
      for (const uint32_t word : pair.words) merge_in(word, pair, made);
      pairs_.settle();
      if (options_.progress) options_.progress(static_cast<int>(learnt_.tokens.size()));
    }
    return std::move(learnt_);
  }

 private:
  int32_t token_of(const SymbolPair& pair) {
    const auto text = [&](int32_t token) { return learnt_.tokens[static_cast<size_t>(token)]; };
    std::string made = text(pair.left) + text(pair.right);
    const auto next = static_cast<int32_t>(learnt_.tokens.size());
    const auto [known, is_new] = made_.try_emplace(made, next);
    if (is_new) learnt_.tokens.push_back(std::move(made));
    return known->second;
  }

  // Left to right, as the encoder does. The pair itself is no longer counted.
  void merge_in(uint32_t word, const SymbolPair& pair, int32_t made) {
    const std::span<int32_t> symbols = symbols_.of(word);
    const int64_t frequency = symbols_.frequency(word);
    const auto change = [&](int32_t left, int32_t right, int64_t by) {
      if (left != pair.left || right != pair.right) pairs_.change(left, right, by, word);
    };
    size_t out = 0;
    for (size_t i = 0; i < symbols.size(); ++i) {
      if (i + 1 == symbols.size() || symbols[i] != pair.left || symbols[i + 1] != pair.right) {
        symbols[out++] = symbols[i];
        continue;
      }
      if (out > 0) {
        change(symbols[out - 1], pair.left, -frequency);
        change(symbols[out - 1], made, frequency);
      }
      if (i + 2 < symbols.size()) {
        change(pair.right, symbols[i + 2], -frequency);
        change(made, symbols[i + 2], frequency);
      }
      symbols[out++] = made;
      ++i;
    }
    symbols_.shrink(word, out);
  }

  const BpeOptions& options_;
  LearntMerges learnt_;
  Symbols symbols_;
  PairTable pairs_;
  std::unordered_map<std::string, int32_t> made_;
};

}  // namespace

LearntMerges learn_merges(std::span<const WordCount> words, const BpeOptions& options) {
  return Learner(words, options).learn();
}

}  // namespace issun::train
