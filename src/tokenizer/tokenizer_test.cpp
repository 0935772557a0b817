#include "tokenizer/tokenizer.h"

#include <doctest/doctest.h>

#include <atomic>
#include <cmath>
#include <ctime>
#include <random>

#include "make_workers.h"
#include "tokenizer/made_up_vocabulary.h"
#include "tokenizer/testing.h"

using namespace issun;
using namespace issun::tokenizer;

namespace {

std::string error_of(const MadeUpVocabulary& made_up) {
  const auto tokenizer = Tokenizer::create(made_up.metadata());
  REQUIRE_FALSE(tokenizer.has_value());
  return tokenizer.error().message;
}

std::string texts(const Tokenizer& tokenizer, std::string_view text, EncodeOptions options) {
  std::string result;
  const auto tokens = tokenizer.encode(text, options).value();
  for (const Token t : tokens) {
    if (!result.empty()) result += '|';
    result += tokenizer.token_text(t);
  }
  return result;
}

std::string pieces(const Tokenizer& tokenizer, std::span<const Token> tokens) {
  std::string bytes;
  for (const Token t : tokens) tokenizer.append_piece(t, false, bytes);
  return bytes;
}

}  // namespace

TEST_CASE("BPE merges by rank and SentencePiece by score") {
  const auto bpe_file = made_up_bpe();
  const auto bpe_metadata = bpe_file.metadata();
  const Tokenizer bpe = create(bpe_metadata);
  CHECK(texts(bpe, "hello world", kPlain) == "hello|Ġwor|l|d");
  CHECK(texts(bpe, "aaaaaaa", kPlain) == "aaaa|aa|a");
  const auto spm_file = made_up_spm();
  const auto spm_metadata = spm_file.metadata();
  const Tokenizer spm = create(spm_metadata);
  CHECK(texts(spm, "hello world", kPlain) == "▁hello|▁world");
  CHECK(texts(spm, "あé", kPlain) == "▁|あ|<0xC3>|<0xA9>");
}

TEST_CASE("special tokens are added and parsed as asked for") {
  auto made_up = made_up_bpe();
  made_up.flags = {{"tokenizer.ggml.add_bos_token", true}, {"tokenizer.ggml.add_eos_token", true}};
  const auto metadata = made_up.metadata();
  const Tokenizer tokenizer = create(metadata);
  CHECK(texts(tokenizer, "", {}) == "<|begin|>|<|finish|>");
  CHECK(texts(tokenizer, "a<|finish|>", {}) == "<|begin|>|a|<|finish|>|<|finish|>");
  CHECK(texts(tokenizer, "<|", kPlain) == "<||");
  CHECK(tokenizer.encode("<|finish|>", kPlain).value().size() == 10);
  CHECK(tokenizer.is_end(tokenizer.eos()));
  CHECK_FALSE(tokenizer.is_end(tokenizer.bos()));
  CHECK_FALSE(tokenizer.is_end(-1));
  const auto tokens = tokenizer.encode("a<|finish|>").value();
  CHECK(tokenizer.decode(tokens, true) == "<|begin|>a<|finish|><|finish|>");
  CHECK(tokenizer.decode(tokens, false) == "a");
}

TEST_CASE("pieces of a text do not merge to a token that only a template may give") {
  MadeUpVocabulary made_up = made_up_spm();
  for (const char* text : {"<", "/", "s", ">", "</", "s>", "<t", "t>", "t", "b", "<b", "b>"})
    made_up.add(text, TokenKind::Normal, -50);
  made_up.add("<t>", TokenKind::UserDefined);
  made_up.add("<b>", TokenKind::UserDefined);
  const auto file = made_up.metadata();
  const Tokenizer tokenizer = create(file);
  const std::vector<ByteRange> all = {{0, 4}};
  const EncodeOptions literal = {.add_special = false, .parse_special = true, .literal = all};
  CHECK(texts(tokenizer, "</s>", kPlain) == "▁|</|s>");
  CHECK(texts(tokenizer, "</s>", literal) == "▁|</|s>");
  CHECK(texts(tokenizer, "<t>a", literal) == "▁|<t|>|a");
  CHECK(texts(tokenizer, "<b>a", literal) == "<b>|▁|a");
}

TEST_CASE("any bytes come back from their tokens") {
  const auto bpe_file = made_up_bpe();
  const auto spm_file = made_up_spm();
  const auto bpe_metadata = bpe_file.metadata(), spm_metadata = spm_file.metadata();
  const Tokenizer bpe = create(bpe_metadata), spm = create(spm_metadata);
  std::mt19937 random(3);
  for (int round = 0; round < 300; ++round) {
    std::string text;
    for (size_t i = 0, size = random() % 300; i < size; ++i) {
      text += random() % 2 ? static_cast<char>(random()) : "helo wrd"[random() % 8];
    }
    CHECK(pieces(bpe, bpe.encode(text, kPlain).value()) == text);
    if (!text.empty()) CHECK(pieces(spm, spm.encode(text, kPlain).value()) == " " + text);
    CHECK(spm.decode(spm.encode(text, kPlain).value(), true) == text);
  }
}

TEST_CASE("ids that are no tokens have no text") {
  const auto made_up = made_up_bpe();
  const auto metadata = made_up.metadata();
  const Tokenizer tokenizer = create(metadata);
  const Token strange[] = {-1, 1 << 30, tokenizer.vocabulary_size(), INT32_MIN};
  CHECK(tokenizer.decode(strange, true).empty());
}

TEST_CASE("decoding closes the spaces that corpora of words put before punctuation") {
  const auto made_up = made_up_bpe();
  const auto metadata = made_up.metadata();
  const Tokenizer tokenizer = create(metadata);
  const auto clean = [&](std::string_view text) {
    return tokenizer.decode(tokenizer.encode(text, kPlain).value(), true);
  };
  CHECK(clean("well , no ! he 's we 're I 'll don 't a ' b") ==
        "well, no! he's we're I 'll don 't a'b");
  CHECK(clean(" . ?") == ".?");
}

TEST_CASE("a missing or unknown word splitter is a loud warning, and the default splits") {
  for (const auto& [pre, told] :
       {std::pair("", "missing"), std::pair("nobody-knows", "'nobody-knows'")}) {
    const auto made_up = made_up_bpe(pre);
    const auto metadata = made_up.metadata();
    const Tokenizer tokenizer = create(metadata);
    CHECK(tokenizer.pre() == "default");
    REQUIRE(tokenizer.warnings().size() == 1);
    for (const char* part : {"tokenizer.ggml.pre", told, "WORSE"}) {
      CAPTURE(part);
      CHECK(tokenizer.warnings()[0].find(part) != std::string::npos);
    }
  }
}

TEST_CASE("a kind of vocabulary that is not known is refused by name") {
  for (const char* model : {"plamo2", "rwkv", "hybriddna", "whitespace", "none"}) {
    auto made_up = made_up_bpe();
    made_up.model = model;
    CHECK(error_of(made_up).find(fmt::format("found '{}'", model)) != std::string::npos);
  }
}

TEST_CASE("bytes without a token are a warning") {
  auto made_up = made_up_bpe();
  made_up.texts[0xFF] = "something else";
  const auto metadata = made_up.metadata();
  const Tokenizer tokenizer = create(metadata);
  REQUIRE(tokenizer.warnings().size() == 1);
  CHECK(tokenizer.warnings()[0].find("1 of the 256 bytes") != std::string::npos);
  CHECK(tokenizer.encode("a\xFF", kPlain).value().size() == 1);
}

TEST_CASE("malformed vocabularies are refused with the reason") {
  const auto broken = [](MadeUpVocabulary v, auto change, std::string_view reason) {
    change(v);
    const std::string error = error_of(v);
    CAPTURE(error);
    CHECK(error.find(reason) != std::string::npos);
  };
  broken(
      made_up_bpe(), [](auto& v) { v.texts.clear(), v.kinds.clear(); }, "found 0");
  broken(
      made_up_bpe(), [](auto& v) { v.kinds.pop_back(); }, "tokenizer.ggml.token_type");
  broken(
      made_up_bpe(), [](auto& v) { v.texts[7] = v.texts[9]; }, "tokens 7 and 9");
  broken(
      made_up_bpe(), [](auto& v) { v.merges[2] = "nospace"; }, "entry 2");
  broken(
      made_up_bpe(), [](auto& v) { v.merges[2] = "a "; }, "entry 2");
  broken(
      made_up_bpe(), [](auto& v) { v.merges[2] = ""; }, "entry 2");
  broken(
      made_up_bpe(), [](auto& v) { v.ids[0].second = 1 << 20; }, "tokenizer.ggml.bos_token_id");
  broken(
      made_up_bpe(), [](auto& v) { v.ids[1].second = -2; }, "tokenizer.ggml.eos_token_id");
  broken(
      made_up_spm(), [](auto& v) { v.scores.clear(); }, "tokenizer.ggml.scores");
  broken(
      made_up_spm(), [](auto& v) { v.scores.push_back(0); }, "tokenizer.ggml.scores");
  broken(
      made_up_spm(), [](auto& v) { v.scores[5] = NAN; }, "token 5");
  for (const char* text : {"<0x-1>", "<0xGG>", "<0x1>", "0x41", "", "<0x041>", "<0X41>"}) {
    broken(
        made_up_spm(), [&](auto& v) { v.texts[40] = text; }, "token 40");
  }
}

TEST_CASE("an id of -1 means that there is no such token") {
  auto made_up = made_up_bpe();
  made_up.ids[0].second = -1;
  made_up.ids[1].second = UINT32_MAX;
  made_up.flags = {{"tokenizer.ggml.add_bos_token", true}};
  const auto metadata = made_up.metadata();
  const Tokenizer tokenizer = create(metadata);
  CHECK(tokenizer.bos() == kNoToken);
  CHECK(tokenizer.eos() == kNoToken);
  CHECK_FALSE(tokenizer.adds_bos());
  CHECK(tokenizer.warnings().size() == 1);
}

TEST_CASE("generation ends where the vocabulary's own markup says so") {
  auto made_up = made_up_bpe();
  const Token im_end = made_up.add("<|im_end|>");  // its type in the file is wrong
  const Token pad = made_up.add("<|fim_pad|>", TokenKind::Control);
  const Token other = made_up.add("<|im_start|>", TokenKind::Control);
  {
    const auto metadata = made_up.metadata();
    const Tokenizer tokenizer = create(metadata);
    CHECK(tokenizer.eot() == im_end);
    CHECK(tokenizer.kind(im_end) == TokenKind::Control);
    CHECK(tokenizer.is_end(im_end));
    CHECK(tokenizer.is_end(pad));
    CHECK_FALSE(tokenizer.is_end(other));
    CHECK(tokenizer.warnings().size() == 1);
  }
  // gpt-oss: <|end|> closes a message, not the answer.
  const Token end = made_up.add("<|end|>", TokenKind::Control);
  const Token call = made_up.add("<|call|>", TokenKind::Control);
  {
    const auto metadata = made_up.metadata();
    CHECK(create(metadata).is_end(end));
  }
  made_up.add("<|return|>", TokenKind::Control);
  const auto metadata = made_up.metadata();
  const Tokenizer tokenizer = create(metadata);
  CHECK_FALSE(tokenizer.is_end(end));
  CHECK(tokenizer.is_end(call));
}

TEST_CASE("a long text without spaces is no trouble") {
  const auto bpe_file = made_up_bpe();
  const auto spm_file = made_up_spm();
  const auto bpe_metadata = bpe_file.metadata(), spm_metadata = spm_file.metadata();
  const Tokenizer bpe = create(bpe_metadata), spm = create(spm_metadata);
  for (const char letter : {'a', ' ', '\xFF'}) {
    const std::string text(1 << 18, letter);
    for (const Tokenizer* tokenizer : {&bpe, &spm}) {
      const std::clock_t start = std::clock();
      CHECK(!tokenizer->encode(text, kPlain).value().empty());
      // Quadratic would be minutes, n log n is a tenth of a second.
      CHECK(std::clock() - start < 10 * CLOCKS_PER_SEC);
    }
  }
}

TEST_CASE("many threads may encode with one tokenizer") {
  const auto made_up = made_up_bpe();
  const auto metadata = made_up.metadata();
  const Tokenizer tokenizer = create(metadata);
  const auto expected = tokenizer.encode("hello world, hello hello").value();
  std::atomic<int> equal{0};
  make_workers(4)->for_each(800, 10, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i)
      equal += tokenizer.encode("hello world, hello hello").value() == expected ? 1 : 0;
  });
  CHECK(equal == 800);
}
