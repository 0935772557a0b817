#include "train/tokenizer_bpe.h"

#include <doctest/doctest.h>

#include <map>
#include <random>

using namespace issun::train;

namespace {

std::vector<std::string> spelt(const LearntMerges& learnt) {
  std::vector<std::string> merges;
  for (const auto& [left, right] : learnt.merges) {
    merges.push_back(learnt.tokens[static_cast<size_t>(left)] + " " +
                     learnt.tokens[static_cast<size_t>(right)]);
  }
  return merges;
}

// The algorithm as it is told: all pairs counted anew before every merge.
std::vector<std::string> merges_counted_anew(std::span<const WordCount> words, size_t most) {
  std::vector<std::pair<std::vector<std::string>, int64_t>> texts;
  for (const WordCount& word : words) {
    std::vector<std::string> symbols;
    for (const char byte : word.word) symbols.emplace_back(1, byte);
    texts.emplace_back(std::move(symbols), word.count);
  }
  std::vector<std::string> merges;
  while (merges.size() < most) {
    std::map<std::pair<std::string, std::string>, int64_t> counts;  // in the order of their bytes
    for (const auto& [symbols, count] : texts) {
      for (size_t i = 0; i + 1 < symbols.size(); ++i) counts[{symbols[i], symbols[i + 1]}] += count;
    }
    auto best = counts.end();
    for (auto pair = counts.begin(); pair != counts.end(); ++pair) {
      if (best == counts.end() || pair->second > best->second) best = pair;
    }
    if (best == counts.end() || best->second < 2) break;
    const auto [left, right] = best->first;
    for (auto& [symbols, count] : texts) {
      for (size_t i = 0; i + 1 < symbols.size(); ++i) {
        if (symbols[i] != left || symbols[i + 1] != right) continue;
        symbols[i] += right;
        symbols.erase(symbols.begin() + static_cast<int64_t>(i) + 1);
      }
    }
    merges.push_back(left + " " + right);
  }
  return merges;
}

}  // namespace

TEST_CASE("The merges of low, lower, newest and widest are those found by hand") {
  // es 9 and st 9: "e s" has the lesser bytes; then est 9; lo 7 and ow 7; low 7; ew, ne and w+est 6
  // each; ... and of the pairs that occur 3 times, in widest alone, from the lesser bytes upwards.
  const std::vector<WordCount> words = {{"low", 5}, {"lower", 2}, {"newest", 6}, {"widest", 3}};
  const LearntMerges learnt = learn_merges(words, {.size = 1000});
  CHECK(spelt(learnt) == std::vector<std::string>{"e s", "es t", "l o", "lo w", "e w", "ew est",
                                                  "n ewest", "d est", "i dest", "w idest", "e r",
                                                  "low er"});
  CHECK(learnt.tokens.size() == 256 + 12);
  CHECK(learnt.tokens.back() == "lower");
  CHECK(spelt(learn_merges(words, {.size = 1000, .min_frequency = 7})) ==
        std::vector<std::string>{"e s", "es t", "l o", "lo w"});
  CHECK(learn_merges(words, {.size = 258}).tokens[257] == "est");
}

TEST_CASE("Counting what changed agrees with counting all pairs anew") {
  const uint32_t seed = 11;
  CAPTURE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 60; ++round) {
    std::vector<std::string> texts;
    for (int w = 0; w < 20; ++w) {
      std::string text;
      const size_t size = 1 + random() % 14;
      while (text.size() < size) text += static_cast<char>("abc\xE3"[random() % (2 + round % 3)]);
      texts.push_back(std::move(text));
    }
    std::vector<WordCount> words;
    for (const std::string& text : texts)
      words.push_back({text, static_cast<int64_t>(1 + random() % 9)});
    const LearntMerges learnt = learn_merges(words, {.size = 256 + 25});
    const auto merges = spelt(learnt);
    const auto expected = merges_counted_anew(words, merges.size());
    REQUIRE(merges == expected);
    std::map<std::string, int> seen;
    for (const std::string& token : learnt.tokens) REQUIRE(++seen[token] == 1);
  }
}

TEST_CASE("A word of one letter without end is learnt in a moment") {
  const std::string word(1 << 20, 'a');
  const std::vector<WordCount> words = {{word, 1}};
  const auto merges = spelt(learn_merges(words, {.size = 256 + 4}));
  CHECK(merges == std::vector<std::string>{"a a", "aa aa", "aaaa aaaa", "aaaaaaaa aaaaaaaa"});
}
