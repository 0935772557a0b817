#include "engine/sampling/dry.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>

#include "engine/test_tokenizer.h"

using namespace issun::engine;

namespace {

// What each token loses, by looking at every earlier place and counting backwards.
std::map<int32_t, int> longest_repeats(const std::vector<int32_t>& tokens, size_t limit) {
  std::map<int32_t, int> longest;
  const size_t size = tokens.size();
  for (size_t next = 1; next < size; ++next) {
    size_t common = 0;
    while (common < next && common < limit &&
           tokens[next - 1 - common] == tokens[size - 1 - common])
      ++common;
    longest[tokens[next]] = std::max(longest[tokens[next]], static_cast<int>(common));
  }
  return longest;
}

}  // namespace

TEST_CASE("A token that would carry on a repetition loses what its length says") {
  std::mt19937 random(5);
  std::uniform_int_distribution<int32_t> letter(0, 2);
  SamplerOptions options;
  options.dry_multiplier = 0.8f;
  options.dry_penalty_last_n = -1;
  Dry dry(nullptr);
  for (int round = 0; round < 200; ++round) {
    std::vector<int32_t> history(static_cast<size_t>(round % 40));
    for (int32_t& token : history) token = letter(random);
    const std::vector<float> logits(4, 0.0f);
    Candidates candidates(4);
    candidates.start(logits);
    std::vector<int32_t> marks(4);
    dry.penalise(candidates, options, history, marks);
    CHECK(marks == std::vector<int32_t>(4));
    auto repeats = longest_repeats(history, history.size());
    for (const Candidate& candidate : candidates.all()) {
      const int n = repeats[candidate.token];
      const double expected = n < 2 ? 0 : -0.8 * std::pow(1.75, n - 2);
      CHECK(candidate.logit == doctest::Approx(expected));
    }
  }
}

TEST_CASE("Common endings are found in one pass, as by comparing every pair") {
  std::mt19937 random(6);
  std::uniform_int_distribution<int32_t> letter(0, 1);
  std::vector<int32_t> z;
  for (int round = 0; round < 100; ++round) {
    std::vector<int32_t> tokens(static_cast<size_t>(round));
    for (int32_t& token : tokens) token = letter(random);
    common_endings(tokens, z);
    for (size_t k = 1; k < tokens.size(); ++k) {
      int32_t common = 0;
      while (k + static_cast<size_t>(common) < tokens.size() &&
             tokens[tokens.size() - 1 - static_cast<size_t>(common)] ==
                 tokens[tokens.size() - 1 - k - static_cast<size_t>(common)])
        ++common;
      CHECK(z[k] == common);
    }
  }
  // 100,000 equal tokens: quadratic work would take minutes.
  common_endings(std::vector<int32_t>(100'000, 7), z);
  CHECK(z[1] == 99'999);
}

TEST_CASE("No repetition reaches over a breaker, be it one token or several") {
  const auto tokenizer = test_tokenizer();
  const auto token = [&](char letter) { return tokenizer.find(std::string(1, letter)); };
  const auto tokens = [&](const char* letters) {
    std::vector<int32_t> all;
    for (; *letters != 0; ++letters) all.push_back(token(*letters));
    return all;
  };
  const auto breakers = SequenceBreakers::create(tokenizer, {"x", "yz"});
  REQUIRE(breakers);
  CHECK(breakers->tokens_behind_last(tokens("abc")) == 3);
  CHECK(breakers->tokens_behind_last(tokens("axbc")) == 2);
  CHECK(breakers->tokens_behind_last(tokens("abcx")) == 0);
  CHECK(breakers->tokens_behind_last(tokens("ayc")) == 3);
}

TEST_CASE("The largest penalty is a number") {
  SamplerOptions options;
  options.dry_multiplier = 100;
  options.dry_base = 100;
  options.dry_penalty_last_n = -1;
  const std::vector<int32_t> history(1000, 1);
  const std::vector<float> logits = {0, 5};
  Candidates candidates(2);
  candidates.start(logits);
  std::vector<int32_t> marks(2);
  Dry(nullptr).penalise(candidates, options, history, marks);
  CHECK(candidates.best(2)[1].token == 1);
  CHECK(std::isfinite(candidates.best(2)[1].logit));
}
