#include "train/tokenizer_unigram.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>

#include "train/tokenizer_lattice.h"
#include "train/tokenizer_seeds.h"

using namespace issun;
using namespace issun::train;

namespace {

// A text of words made of a few syllables, from a printed seed.
struct MadeUpWords {
  explicit MadeUpWords(uint32_t seed, int count = 400) {
    std::mt19937 random(seed);
    const std::vector<std::string> syllables = {"ka", "ki", "no", "ta", "猫", "である", "s", " "};
    for (int w = 0; w < count; ++w) {
      std::string word = random() % 2 == 0 ? " " : "";
      const size_t parts = 1 + random() % 6;
      for (size_t i = 0; i < parts; ++i) word += syllables[random() % 7];
      texts.push_back(std::move(word));
    }
    std::sort(texts.begin(), texts.end());
    texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
    for (const std::string& text : texts) {
      words.push_back({text, static_cast<int64_t>(1 + random() % 20)});
    }
  }
  std::vector<std::string> texts;
  std::vector<WordCount> words;
};

std::vector<std::string> cut(std::string_view text, CutRules rules = {}) {
  std::vector<std::string_view> words;
  cut_pieces(text, rules, words);
  return {words.begin(), words.end()};
}

using Strings = std::vector<std::string>;

}  // namespace

TEST_CASE("Words are cut where no piece may cross") {
  CHECK(cut("the cat  sat") == Strings{"the", " cat", " ", " sat"});
  CHECK(cut("食べるカー、「と」") == Strings{"食べるカー", "、「", "と", "」"});
  CHECK(cut("a1b 22") == Strings{"a", "1", "b", " 22"});
  CHECK(cut("a1b 22", {.split_by_number = false}) == Strings{"a1b", " 22"});
  CHECK(cut("a、b猫", {.split_by_unicode_script = false}) == Strings{"a、b猫"});
  CHECK(cut("x\n\n  y\tz \n") == Strings{"x", "\n\n", " ", " y", "\t", "z", " ", "\n"});
  CHECK(cut("e\u0301t か\u3099") == Strings{"e\u0301t", " か\u3099"});
  const std::string run(3 * kLongestWord + 1, 'a');
  CHECK(cut(run).size() == 4);
}

TEST_CASE("Coverage keeps the most frequent characters and cuts words at the others") {
  const std::vector<WordCount> words = {{" ab", 50}, {"aXb", 1}, {"b", 40}};
  const PieceText text = index_words(words, 0.99);
  CHECK(text.alphabet == std::vector<char32_t>{'b', 'a', 0x2581});
  REQUIRE(text.words.size() == 4);
  CHECK(text.text_of(text.words[0].begin, text.words[0].size) == "▁ab");
  CHECK(text.words[1].size == 1);
  CHECK(index_words(words, 1).alphabet.size() == 4);
}

TEST_CASE("Seeds are all substrings that something different follows, with their frequencies") {
  const uint32_t seed = 5;
  CAPTURE(seed);
  const MadeUpWords made(seed, 120);
  const PieceText text = index_words(made.words, 1);
  // Every substring, what follows it, and how often.
  std::map<std::vector<uint16_t>, std::map<int, int64_t>> substrings;
  for (const PieceText::Word& word : text.words) {
    for (int from = 0; from < word.size; ++from) {
      for (int size = 2; size <= kLongestPiece && from + size <= word.size; ++size) {
        const auto begin = text.chars.begin() + word.begin + from;
        const int next = from + size == word.size ? -1 : begin[size];
        substrings[{begin, begin + size}][size == kLongestPiece ? -2 : next] += word.count;
      }
    }
  }
  std::map<std::vector<uint16_t>, int64_t> expected;
  for (const auto& [substring, followers] : substrings) {
    int64_t frequency = 0;
    for (const auto& [next, count] : followers) frequency += count;
    const bool branches = followers.size() > 1 || followers.begin()->first < 0;
    if (branches && frequency >= 5) expected[substring] = frequency;
  }
  for (const int threads : {1, 3}) {
    const auto workers = *Workers::create(threads);
    const std::vector<Seed> seeds = find_seeds(text, 5, 1000000, *workers);
    std::map<std::vector<uint16_t>, int64_t> found;
    for (const Seed& s : seeds) {
      found[{text.chars.begin() + s.at, text.chars.begin() + s.at + s.size}] = s.frequency;
    }
    CHECK(found == expected);
    CHECK(seeds.size() == expected.size());
    const std::vector<Seed> best = find_seeds(text, 5, 10, *workers);
    REQUIRE(best.size() == 10);
    for (size_t i = 0; i < best.size(); ++i) {
      CHECK(best[i].frequency * best[i].size == seeds[i].frequency * seeds[i].size);
    }
  }
}

TEST_CASE("Expected counts and the likelihood are those of all spellings written out") {
  const std::vector<WordCount> words = {{"abab", 3}, {"ba", 2}};
  const PieceText text = index_words(words, 1);
  const auto workers = *Workers::create(1);
  const PieceModel model(text, find_seeds(text, 1, 100, *workers), *workers);
  std::map<std::string, int> numbers;
  for (int p = 0; p < model.size(); ++p) numbers[model.text_of(p)] = p;
  double log_likelihood = 0;
  std::vector<double> counts(static_cast<size_t>(model.size()), 0.0);
  for (const WordCount& word : words) {
    std::vector<std::pair<double, std::vector<int>>> spellings;
    double all = 0;
    for (unsigned cuts = 0; cuts < 1u << (word.word.size() - 1); ++cuts) {
      double probability = 1;
      std::vector<int> spelling;
      size_t begin = 0;
      for (size_t end = 1; end <= word.word.size(); ++end) {
        if (end < word.word.size() && !(cuts >> (end - 1) & 1)) continue;
        const auto piece = numbers.find(std::string(word.word.substr(begin, end - begin)));
        probability *= piece == numbers.end() ? 0 : std::exp(model.score(piece->second));
        if (piece != numbers.end()) spelling.push_back(piece->second);
        begin = end;
      }
      all += probability;
      spellings.emplace_back(probability, spelling);
    }
    log_likelihood += std::log(all) * static_cast<double>(word.count);
    for (const auto& [probability, spelling] : spellings) {
      for (const int p : spelling) {
        counts[static_cast<size_t>(p)] += probability / all * static_cast<double>(word.count);
      }
    }
  }
  const auto expected = model.expect(*workers);
  CHECK(expected.log_likelihood == doctest::Approx(log_likelihood).epsilon(1e-6));
  for (size_t p = 0; p < counts.size(); ++p) {
    CHECK(expected.counts[p] == doctest::Approx(counts[p]).epsilon(1e-4));
  }
}

TEST_CASE("Every step of expectation and maximisation makes the text likelier") {
  const uint32_t seed = 3;
  CAPTURE(seed);
  const MadeUpWords made(seed);
  const PieceText text = index_words(made.words, 1);
  const auto workers = *Workers::create(2);
  PieceModel model(text, find_seeds(text, 2, 1000, *workers), *workers);
  double before = -1e300, first = 0;
  for (int step = 0; step < 12; ++step) {
    const auto expected = model.expect(*workers);
    // The sums are rounded to 2^-20 a word, probabilities have a floor of 1e-9 and 1e-15.
    CHECK(expected.log_likelihood >= before - 1e-2);
    before = expected.log_likelihood;
    if (step == 0) first = before;
    model.maximise(expected.counts);
  }
  CHECK(before > first + 100);
}

TEST_CASE("Pieces that go leave the others where they stood") {
  const uint32_t seed = 9;
  CAPTURE(seed);
  const MadeUpWords made(seed);
  const PieceText text = index_words(made.words, 1);
  const auto workers = *Workers::create(1);
  const std::vector<Seed> seeds = find_seeds(text, 2, 1000, *workers);
  PieceModel model(text, seeds, *workers);
  std::vector<bool> kept(static_cast<size_t>(model.size()));
  std::vector<Seed> left;
  std::mt19937 random(seed);
  for (size_t s = 0; s < seeds.size(); ++s) {
    const bool stays = random() % 3 != 0;
    kept[s + text.alphabet.size()] = stays;
    if (stays) left.push_back(seeds[s]);
  }
  model.keep(kept);
  PieceModel expected(text, left, *workers);
  REQUIRE(model.size() == expected.size());
  const std::vector<double> counts(static_cast<size_t>(model.size()), 1.0);
  model.maximise(counts);
  expected.maximise(counts);
  CHECK(model.expect(*workers).counts == expected.expect(*workers).counts);
  CHECK(model.best_counts(*workers) == expected.best_counts(*workers));
}

TEST_CASE("As many pieces come out as were asked for, all characters among them") {
  const MadeUpWords made(4);
  const PieceText text = index_words(made.words, 1);
  const auto workers = *Workers::create(2);
  const int characters = static_cast<int>(text.alphabet.size());
  for (const int size : {characters, characters + 1, 20, 60, 100}) {
    const ScoredPieces pieces = learn_pieces(text, {.pieces = size}, *workers);
    CHECK(static_cast<int>(pieces.size()) == size);
    int single = 0;
    for (const auto& [piece, score] : pieces) {
      CHECK(std::isfinite(score));
      single +=
          std::count_if(piece.begin(), piece.end(), [](char c) { return (c & 0xC0) != 0x80; }) == 1;
    }
    CHECK(single == characters);
    CHECK(std::is_sorted(pieces.begin(), pieces.end(),
                         [](const auto& a, const auto& b) { return a.second > b.second; }));
  }
  // All there are, and then any number up to that, whatever helps.
  const auto most = static_cast<int>(learn_pieces(text, {.pieces = 1000000}, *workers).size());
  CHECK(most < 10000);
  for (int size = characters; size <= most; size += 37) {
    CHECK(static_cast<int>(learn_pieces(text, {.pieces = size}, *workers).size()) == size);
  }
}

TEST_CASE("A word of rare characters is no more than a word") {
  // 64 characters of probability 1e-9: the sums over their spellings stay within a double.
  std::string rare;
  for (int i = 0; i < kLongestWord; ++i)
    rare += "\xE4\xB8" + std::string(1, static_cast<char>(0x80 + i));
  const std::vector<WordCount> words = {{"a", int64_t{1} << 36}, {rare, 1}};
  const PieceText text = index_words(words, 1);
  const auto workers = *Workers::create(1);
  const PieceModel model(text, {}, *workers);
  const auto expected = model.expect(*workers);
  CHECK(std::isfinite(expected.log_likelihood));
  for (size_t c = 1; c <= kLongestWord; ++c) CHECK(expected.counts[c] == doctest::Approx(1));
}
