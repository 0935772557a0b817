#include "measure/continuation.h"

#include <doctest/doctest.h>

#include <cmath>

#include "engine/test_tokenizer.h"
#include "measure/choice.h"
#include "measure/last_word.h"
#include "model/fake.h"

using namespace issun;
using namespace issun::measure;

namespace {

using engine::kTestVocabulary;

// What the fake thinks of `text` behind its first `shared` tokens, as plainly as it can be written.
Score plain_score(const std::vector<int32_t>& text, size_t shared) {
  const double total = std::log(std::exp(10.0) + kTestVocabulary - 1);
  Score score;
  for (size_t t = shared; t < text.size(); ++t) {
    const int32_t best = model::FakeDecoder::next(std::span(text).first(t), kTestVocabulary);
    score.log_likelihood += (text[t] == best ? 10 : 0) - total;
    score.greedy = score.greedy && text[t] == best;
    ++score.tokens;
  }
  return score;
}

cache::PagedKv new_cache(const cache::KvShape& shape) {
  auto cache = cache::PagedKv::create(shape, 256);
  REQUIRE(cache.has_value());
  return std::move(*cache);
}

// A text that goes on as the fake would write it.
std::vector<int32_t> greedy(std::vector<int32_t> text, int more) {
  for (int i = 0; i < more; ++i) text.push_back(model::FakeDecoder::next(text, kTestVocabulary));
  return text;
}

}  // namespace

TEST_CASE("endings are scored behind a context that is computed once") {
  Continuations given;
  std::vector<int32_t> context;
  for (int t = 0; t < 70; ++t) context.push_back((t * 3 + 1) % kTestVocabulary);
  given.shared = context.size();
  given.texts.push_back(greedy(context, 20));
  given.texts.push_back(context);
  for (int t = 0; t < 12; ++t) given.texts[1].push_back(t);
  given.texts.push_back(greedy(context, 1));
  for (const auto& shape :
       {model::FakeDecoder::kv_shape(), model::FakeDecoder::recurrent_shape()}) {
    for (const int rows : {1, 7, 128}) {
      CAPTURE(rows);
      model::FakeDecoder decoder(kTestVocabulary, rows, 8);
      cache::PagedKv cache = new_cache(shape);
      {
        ContinuationScorer scorer(decoder, cache);
        for (int times = 0; times < 2; ++times) {
          const auto scores = scorer.score(given);
          REQUIRE_MESSAGE(scores.has_value(), scores.error().message);
          REQUIRE(scores->size() == 3);
          for (size_t i = 0; i < 3; ++i) {
            const Score expected = plain_score(given.texts[i], given.shared);
            CHECK((*scores)[i].log_likelihood == doctest::Approx(expected.log_likelihood));
            CHECK((*scores)[i].greedy == expected.greedy);
            CHECK((*scores)[i].tokens == expected.tokens);
          }
          CHECK((*scores)[0].greedy);
          CHECK_FALSE((*scores)[1].greedy);
        }
      }
      CHECK(decoder.rows_run() == 2 * (70 + 19 + 11 + 0));
      CHECK(cache.free_pages() == cache.page_count());
    }
  }
}

TEST_CASE("an ending that merges with the context is scored from where the tokens differ") {
  using tokenizer::TokenKind;
  tokenizer::MadeUpVocabulary made;
  made.model = "llama";
  made.add("<unk>", TokenKind::Unknown);
  made.add("<s>", TokenKind::Control);
  made.add("</s>", TokenKind::Control);
  for (const char* text : {"a", "b", "c", "d"}) made.add(text, TokenKind::Normal, -2);
  made.add("bc", TokenKind::Normal, -1);
  made.ids = {{"tokenizer.ggml.bos_token_id", 1}, {"tokenizer.ggml.eos_token_id", 2}};
  const auto tokenizer = tokenizer::Tokenizer::create(made.metadata());
  REQUIRE(tokenizer.has_value());
  const auto alone = encode_continuations(*tokenizer, "ab", std::vector<std::string>{"d", "dd"});
  REQUIRE_MESSAGE(alone.has_value(), alone.error().message);
  const auto merged = encode_continuations(*tokenizer, "ab", std::vector<std::string>{"d", "c"});
  REQUIRE(merged.has_value());
  CHECK(merged->shared == alone->shared - 1);
  CHECK(merged->texts[1].back() == tokenizer->find("bc"));
  CHECK(merged->texts[0] == alone->texts[0]);
  CHECK(alone->texts[0].front() == 1);                                        // begin of text
  CHECK(std::count(alone->texts[0].begin(), alone->texts[0].end(), 2) == 0);  // and no end
  CHECK_FALSE(encode_continuations(*tokenizer, "ab", std::vector<std::string>{""}).has_value());
}

TEST_CASE("the likeliest choice and the likeliest by the byte are told apart") {
  const tokenizer::Tokenizer tokenizer = engine::test_tokenizer();
  model::FakeDecoder decoder(kTestVocabulary, 16, 8);
  cache::PagedKv cache = new_cache(model::FakeDecoder::kv_shape());
  ContinuationScorer scorer(decoder, cache);
  // One wrong letter costs 10 nats; many bring the cost of each down.
  Question question{"abc", {"z", "zzzz"}, 1};
  const auto result = answer(question, tokenizer, scorer);
  REQUIRE_MESSAGE(result.has_value(), result.error().message);
  const auto tokens = encode_continuations(tokenizer, "abc", question.choices);
  for (size_t i = 0; i < 2; ++i) {
    CHECK(result->log_likelihoods[i] ==
          doctest::Approx(plain_score(tokens->texts[i], tokens->shared).log_likelihood));
  }
  CHECK(result->chosen == 0);
  const bool shorter = result->log_likelihoods[0] >= result->log_likelihoods[1] / 4;
  CHECK(result->chosen_by_byte == (shorter ? 0 : 1));
  CHECK(result->label == 1);
}

TEST_CASE("a last word is right where the model would have written it") {
  const tokenizer::Tokenizer tokenizer = engine::test_tokenizer();
  model::FakeDecoder decoder(kTestVocabulary, 16, 8);
  cache::PagedKv cache = new_cache(model::FakeDecoder::kv_shape());
  ContinuationScorer scorer(decoder, cache);
  const Passage passage{"ab", " cd"};
  const auto result = guess(passage, tokenizer, scorer);
  REQUIRE_MESSAGE(result.has_value(), result.error().message);
  const auto tokens = encode_continuations(tokenizer, "ab", std::vector<std::string>{" cd"});
  const Score expected = plain_score(tokens->texts[0], tokens->shared);
  CHECK(result->log_likelihood == doctest::Approx(expected.log_likelihood));
  CHECK(result->right == expected.greedy);
  CHECK(result->tokens == 3);
}

TEST_CASE("what does not fit the context, or is no token, is refused") {
  model::FakeDecoder decoder(kTestVocabulary, 16, 8);
  cache::PagedKv cache = new_cache(model::FakeDecoder::kv_shape());
  ContinuationScorer scorer(decoder, cache);
  CHECK_FALSE(scorer.score({{std::vector<int32_t>(300, 3)}, 290}).has_value());
  CHECK_FALSE(scorer.score({{{1, 2, kTestVocabulary}}, 1}).has_value());
  CHECK(scorer.score({{{1, 2, 3}}, 1}).has_value());
}
