#include "train/pair_batches.h"

#include <map>
#include <random>

#include "train/made_up_tokens.h"

using namespace issun;
using namespace issun::train;

namespace {

using Ids = std::vector<int32_t>;

// A store of pairs whose texts have these lengths, with the tokens 1, 2, 3, ...
TokenStore paired_store(const ScratchFolder& scratch, const std::vector<std::vector<int>>& pairs) {
  std::vector<EncodedDocument> documents;
  for (const std::vector<int>& lengths : pairs) {
    EncodedDocument& document = documents.emplace_back();
    document.whole = true;
    for (const int length : lengths) {
      for (int i = 0; i < length; ++i) document.learnt.push_back(i == 0);
    }
    document.tokens.resize(document.learnt.size());
  }
  return numbered_store(scratch, std::move(documents));
}

Result<PairBatches> pair_batches_of(const TokenStore& store, const PairBatchOptions& options) {
  return PairBatches::create(store, ranges_of(store), options);
}

Ids tokens_of(const Batch& batch, const TextRows& text) {
  const auto first = batch.tokens.begin() + text.first;
  return {first, first + text.rows};
}

}  // namespace

TEST_CASE("Every text of a batch of pairs stands whole and sees itself alone") {
  const uint32_t seed = 42;
  MESSAGE("seed ", seed);
  std::mt19937 random(seed);
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<uint32_t>(n)); };
  for (const int length : {4, 9, 40}) {
    std::vector<std::vector<int>> pairs(37);
    for (auto& pair : pairs) {
      pair.resize(static_cast<size_t>(2 + below(2)));
      for (int& text : pair) text = 1 + below(length);
    }
    const ScratchFolder scratch;
    const TokenStore store = paired_store(scratch, pairs);
    const auto batches = pair_batches_of(store, {.length = length, .seed = seed});
    REQUIRE_MESSAGE(batches, batches.error().message);
    CHECK(batches->items() == 37);
    CHECK(batches->tokens() == store.tokens());
    std::map<int32_t, int> begins;  // of queries
    DataState state;
    Batch batch;
    while (state.epoch == 0) {
      const int count = std::min<int>(5, 37 - static_cast<int>(state.sequence));
      batches->next(count, &state, &batch);
      REQUIRE(batch.queries.size() == static_cast<size_t>(count));
      REQUIRE(batch.candidates.size() >= batch.queries.size());
      CHECK(batch.sequences <= batches->most_sequences(5));
      CHECK(batch.length <= length);
      CHECK(batch.learnt == count);
      std::vector<TextRows> texts = batch.queries;
      texts.insert(texts.end(), batch.candidates.begin(), batch.candidates.end());
      int64_t used = 0;
      for (const TextRows& text : texts) {
        const Ids tokens = tokens_of(batch, text);
        used += text.rows;
        REQUIRE(store.is_learnt(tokens[0] - 1));
        const int64_t behind = tokens.back();
        CHECK((behind == store.tokens() || store.is_learnt(behind)));
        for (int i = 0; i < text.rows; ++i) {
          const auto row = static_cast<size_t>(text.first + i);
          CHECK(batch.tokens[row] == tokens[0] + i);
          CHECK(batch.positions[row] == i);
          CHECK(batch.visible_begin[row] == text.first % batch.length);
          CHECK(batch.targets[row] == kNoTarget);
        }
      }
      CHECK(batch.used == used);
      int64_t padding = 0;
      for (const int32_t token : batch.tokens) padding += token == 0;
      CHECK(padding == batch.rows() - used);
      for (size_t p = 0; p < batch.queries.size(); ++p) {
        const Ids query = tokens_of(batch, batch.queries[p]);
        ++begins[query[0]];
        // Its answer stands behind it in the store.
        CHECK(tokens_of(batch, batch.candidates[p])[0] == query.back() + 1);
      }
    }
    CHECK(begins.size() == 37);
  }
}

TEST_CASE("A text that answers none comes behind all answers") {
  const ScratchFolder scratch;
  const TokenStore store = paired_store(scratch, {{1, 2, 3}, {2, 1}, {1, 1, 2}});
  const auto batches = *pair_batches_of(store, {.length = 8, .shuffle = false});
  Batch batch;
  batches.read(0, 8, &batch);
  REQUIRE(batch.queries.size() == 3);
  REQUIRE(batch.candidates.size() == 5);
  const int32_t first[] = {2, 9, 11, 4, 12};
  for (size_t i = 0; i < 5; ++i) CHECK(tokens_of(batch, batch.candidates[i])[0] == first[i]);
  batches.read(3, 8, &batch);
  CHECK(batch.queries.empty());
  CHECK(batch.rows() == 0);
}

TEST_CASE("A pair that ends an epoch and begins the next stands in their batch once") {
  const ScratchFolder scratch;
  const TokenStore store = paired_store(scratch, {{1, 1}, {1, 1}, {1, 1}});
  const auto batches = *pair_batches_of(store, {.length = 8, .seed = 7});
  DataState state;
  Batch batch;
  batches.next(5, &state, &batch);
  CHECK(state == DataState{1, 2});
  CHECK(batch.queries.size() == 3);
  CHECK(batch.learnt == 3);
}

TEST_CASE("A text that is too long keeps its ending, or its pair is left out, or it is refused") {
  const ScratchFolder scratch;
  const TokenStore store = paired_store(scratch, {{2, 9}, {3, 3}, {7, 2}, {1, 1}});
  PairBatchOptions options{.length = 5, .ending = 1, .shuffle = false};
  const auto refused = pair_batches_of(store, options);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.starts_with(
      "a text of 9 tokens: expected at most 5, the length of a sequence"));
  options.long_text = LongTalk::Truncate;
  const auto cut = *pair_batches_of(store, options);
  CHECK(cut.report().truncated == 2);
  CHECK(cut.report().lost_tokens == 6);
  CHECK(cut.tokens() == store.tokens() - 6);
  Batch batch;
  cut.read(0, 4, &batch);
  CHECK(tokens_of(batch, batch.candidates[0]) == Ids{3, 4, 5, 6, 11});
  CHECK(tokens_of(batch, batch.queries[2]) == Ids{18, 19, 20, 21, 24});
  options.long_text = LongTalk::Skip;
  const auto fewer = *pair_batches_of(store, options);
  CHECK(fewer.items() == 2);
  CHECK(fewer.report().skipped == 2);
  CHECK(fewer.report().lost_tokens == 20);
}

TEST_CASE("What is no pair, and a single pair, are refused") {
  const ScratchFolder scratch;
  CHECK(pair_batches_of(counted_store(scratch, {4, 5}, true), {})
            .error()
            .message.starts_with("tokens: expected pairs"));
  CHECK(pair_batches_of(paired_store(scratch, {{3}, {2, 2}}), {})
            .error()
            .message.starts_with("tokens: expected pairs"));
  CHECK(pair_batches_of(paired_store(scratch, {{2, 2}}), {})
            .error()
            .message.starts_with("training data: expected at least two pairs"));
  CHECK_FALSE(pair_batches_of(paired_store(scratch, {{2, 2}, {1, 1}}), {.length = 1, .ending = 1}));
}
