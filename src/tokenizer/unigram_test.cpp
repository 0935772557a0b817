// The two tokenizers of encoders, on vocabularies small enough to check by hand.
#include "tokenizer/unigram.h"

#include <doctest/doctest.h>

#include <cmath>
#include <ctime>
#include <utility>

#include "tokenizer/made_up_charsmap.h"
#include "tokenizer/made_up_vocabulary.h"
#include "tokenizer/testing.h"

using namespace issun;
using namespace issun::tokenizer;

namespace {

std::string texts(const MadeUpVocabulary& made_up, std::string_view text,
                  EncodeOptions options = kPlain) {
  const auto metadata = made_up.metadata();
  const auto tokenizer = Tokenizer::create(metadata);
  REQUIRE_MESSAGE(tokenizer.has_value(), tokenizer.error().message);
  std::string result;
  const auto tokens = tokenizer->encode(text, options).value();
  for (const Token t : tokens) {
    if (!result.empty()) result += '|';
    result += tokenizer->token_text(t);
  }
  return result;
}

}  // namespace

TEST_CASE("Unigram takes the cut with the best sum of scores") {
  auto v = made_up_unigram();
  CHECK(texts(v, "hello") == "▁hel|lo");  // -1 - 1, better than ▁ hello with -2 - 0.5
  CHECK(texts(v, "lo  lo") == "▁lo|▁|▁lo");
  CHECK(texts(v, "lo", {}) == "▁lo|</s>");
  CHECK(texts(v, "") == "");
  v.flags.emplace_back("tokenizer.ggml.remove_extra_whitespaces", true);
  CHECK(texts(v, "  lo  lo ") == "▁lo|▁lo");
}

TEST_CASE("Unigram on BERT's words drops case and accents, and may set ASCII's punctuation apart") {
  auto v = made_up_unigram();
  v.add("▁!", TokenKind::Normal, -1);
  v.add("▁é", TokenKind::Normal, -1);
  v.flags.emplace_back("tokenizer.ggml.remove_extra_whitespaces", true);
  CHECK(texts(v, "HÉLlo!") == "▁|<unk>|lo|<unk>");
  v.flags.emplace_back("tokenizer.ggml.normalizer.lowercase", true);
  CHECK(texts(v, " H\u00c9Llo\tlo!") == "▁hel|lo|▁lo|<unk>");
  v.flags.emplace_back("tokenizer.ggml.normalizer.punctuation", true);
  CHECK(texts(v, "H\u00c9Llo!lo") == "▁hel|lo|▁!|▁lo");
  CHECK(texts(v, "lo\u3002lo") == "▁lo|<unk>|lo");
  CHECK(texts(v, "lo\u6f22lo") == "▁lo|▁|<unk>|▁lo");
  v.flags.emplace_back("tokenizer.ggml.normalizer.strip_accents", false);
  CHECK(texts(v, "\u00c9") == "▁é");
}

TEST_CASE("a run of unknown characters is one unknown token, or bytes where each has a token") {
  auto v = made_up_unigram();
  CHECK(texts(v, "hello漢字\xFF!lo") == "▁hel|lo|<unk>|lo");
  CHECK(texts(v, "漢 字") == "▁|<unk>|▁|<unk>");
  for (int byte = 0; byte < 256; ++byte) v.add(fmt::format("<0x{:02X}>", byte), TokenKind::Byte);
  CHECK(texts(v, "lo漢") == "▁lo|<0xE6>|<0xBC>|<0xA2>");
  CHECK(texts(v, "lo\xFF") == "▁lo|<0xEF>|<0xBF>|<0xBD>");  // as U+FFFD
}

TEST_CASE("the charsmap is applied before anything else") {
  auto v = made_up_unigram();
  v.charsmap = made_up_charsmap({{"Ｌ", "l"}, {"\t", " "}, {"½", " lo "}});
  CHECK(texts(v, "Ｌo\tlo½lo") == "▁lo|▁lo|▁lo|▁lo");
  v.charsmap.resize(3);
  const auto metadata = v.metadata();
  const auto refused = Tokenizer::create(metadata);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().message.find("precompiled_charsmap: 3 bytes") != std::string::npos);
}

TEST_CASE("a Unigram vocabulary without finite scores or an unknown token is refused") {
  const auto broken = [](auto change, std::string_view reason) {
    auto v = made_up_unigram();
    change(v);
    const auto metadata = v.metadata();
    const auto refused = Tokenizer::create(metadata);
    REQUIRE_FALSE(refused.has_value());
    CAPTURE(refused.error().message);
    CHECK(refused.error().message.find(reason) != std::string::npos);
  };
  broken([](auto& v) { v.scores.clear(); }, "tokenizer.ggml.scores");
  broken([](auto& v) { v.scores[5] = -INFINITY; }, "token 5");
  broken([](auto& v) { v.ids.emplace_back("tokenizer.ggml.unknown_token_id", -1); },
         "unknown_token_id");
}

TEST_CASE("WordPiece lowers, strips and cuts as BERT does") {
  auto v = made_up_wordpiece();
  CHECK(texts(v, "Hello, héllo!") == "▁hello|▁,|▁hello|[UNK]");
  CHECK(texts(v, "hellolo lo", {}) == "[CLS]|▁hello|lo|▁lo|[SEP]");
  CHECK(texts(v, "hel") == "[UNK]");
  CHECK(texts(v, "漢lo\u0301漢 \xFF\u200B") == "▁漢|▁lo|▁漢");
  CHECK(texts(v, "\n \t") == "");
  v.flags.emplace_back("tokenizer.ggml.normalizer.lowercase", false);
  CHECK(texts(v, "Hello hello héllo") == "[UNK]|▁hello|[UNK]");
  v.flags.emplace_back("tokenizer.ggml.normalizer.strip_accents", true);
  CHECK(texts(v, "Hello héllo") == "[UNK]|▁hello");
}

TEST_CASE("long texts of one letter are no trouble for encoders") {
  auto unigram = made_up_unigram();
  for (int i = 2; i < 100; ++i)
    unigram.add(std::string(static_cast<size_t>(i), 'a'), TokenKind::Normal, -i);
  const auto wordpiece = made_up_wordpiece();
  for (const char letter : {'a', ' ', '\xFF', 'l'}) {
    const std::string text(1 << 18, letter);
    for (const MadeUpVocabulary* made_up : {&std::as_const(unigram), &wordpiece}) {
      const std::clock_t start = std::clock();
      texts(*made_up, text);
      CHECK(std::clock() - start < 10 * CLOCKS_PER_SEC);  // quadratic would be minutes
    }
  }
}
