#include "tokenizer/merge.h"

#include <doctest/doctest.h>

#include <map>
#include <random>

#include "tokenizer/made_up_vocabulary.h"
#include "tokenizer/word_starts.h"

using namespace issun::tokenizer;

namespace {

bool same(const std::vector<Symbol>& a, const std::vector<Symbol>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Symbol& x, const Symbol& y) {
    return x.id == y.id && x.begin == y.begin && x.bytes == y.bytes;
  });
}

}  // namespace

TEST_CASE("the heap and the plain loop merge alike, ties and all") {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    CAPTURE(round);
    // A random table over few ids, with equal ranks among it.
    std::map<std::pair<int32_t, int32_t>, Merge> table;
    for (int i = 0; i < 40; ++i) {
      table[{random() % 12, random() % 12}] = {static_cast<uint32_t>(random() % 9),
                                               static_cast<int32_t>(random() % 12)};
    }
    const auto rule = [&](const Symbol& left, const Symbol& right) -> Merge {
      const auto found = table.find({left.id, right.id});
      return found == table.end() ? Merge{} : found->second;
    };
    std::vector<Symbol> few;
    for (uint32_t i = 0, count = random() % 200; i < count; ++i) {
      few.push_back({static_cast<int32_t>(random() % 12), i, 1});
    }
    std::vector<Symbol> many = few;
    MergeScratch scratch;
    detail::merge_few(rule, scratch, few);
    detail::merge_many(rule, scratch, many);
    CHECK(same(few, many));
  }
}

TEST_CASE("a text cut at word starts encodes as the whole text would") {
  // With "w▁" in the vocabulary nothing may be cut after a w.
  for (const bool crossing : {false, true}) {
    MadeUpVocabulary made_up = made_up_spm();
    if (crossing) made_up.add("w▁", TokenKind::Normal, 1);
    const auto metadata = made_up.metadata();
    const auto vocabulary = Vocabulary::load(metadata).value();
    const auto spm = Spm::create(vocabulary, 0).value();
    std::mt19937 random(11);
    for (int round = 0; round < 200; ++round) {
      std::string text;
      for (int i = 0; i < 40; ++i) {
        constexpr const char* kParts[] = {"▁", "h", "e", "l",  "o",     "w",
                                          "r", "d", "a", "aa", "hello", "x"};
        text += kParts[random() % 12];
      }
      CAPTURE(text);
      std::vector<Token> tokens;
      spm.encode(text, tokens);
      // The whole at once, by the same rule.
      std::vector<Symbol> symbols;
      for (size_t at = 0; at < text.size();) {
        const uint32_t bytes = text.compare(at, 3, "▁") == 0 ? 3 : 1;
        symbols.push_back({-1, static_cast<uint32_t>(at), bytes});
        at += bytes;
      }
      MergeScratch scratch;
      merge_symbols(
          [&](const Symbol& left, const Symbol& right) -> Merge {
            const Token t = vocabulary.find(
                std::string_view(text).substr(left.begin, left.bytes + right.bytes));
            if (t == kNoToken) return {};
            return {static_cast<uint32_t>(1000 - vocabulary.score(t)), t};
          },
          scratch, symbols);
      std::string expected, actual;
      for (const Symbol& s : symbols) expected += text.substr(s.begin, s.bytes) + "|";
      for (const Token t : tokens) {
        actual += vocabulary.kind(t) == TokenKind::Byte
                      ? std::string(1, Vocabulary::byte_of(vocabulary.text(t)))
                      : std::string(vocabulary.text(t));
        actual += "|";
      }
      CHECK(actual == expected);
    }
  }
}
