// What guessing costs and whether it pays, by a clock that the tests turn.
#include <doctest/doctest.h>

#include <memory>

#include "engine/engine.h"
#include "engine/speculation.h"
#include "engine/test_tokenizer.h"
#include "model/fake.h"

using namespace issun;
using namespace issun::engine;

namespace {

double time_now = 0;
double turned_clock() { return time_now; }

// Each call takes its time, and a part of it for each token.
class SlowDrafter final : public Drafter {
 public:
  explicit SlowDrafter(int finds, double token_seconds = 0.1)
      : finds_(finds), token_seconds_(token_seconds) {}
  bool free() const override { return false; }
  void guess(std::span<Guess* const> guesses) override {
    ++calls;
    for (Guess* guess : guesses) {
      least_asked = std::min(least_asked, guess->most);
      guess->tokens.assign(static_cast<size_t>(std::min(finds_, guess->most)), 3);
      time_now += token_seconds_ * static_cast<double>(std::max<size_t>(1, guess->tokens.size()));
    }
  }
  void forget(int64_t) override {}

  int calls = 0, least_asked = 100;

 private:
  int finds_;
  double token_seconds_;
};

// So many steps of one text of which `right` guesses of each draft come true; a row beside the
// first takes `row_seconds`. The guesses that were looked at.
int looked_at(const SpeculationOptions& options, int steps, int right, double row_seconds) {
  model::FakeDecoder decoder(kTestVocabulary, 40, 1, 32);
  Speculation speculation(options, decoder);
  const std::vector<int32_t> history = {1, 5};
  DraftState state;
  DraftState* const states[] = {&state};
  int looked = 0;
  for (int step = 0; step < steps; ++step) {
    state.guess.history = history;
    state.guess.most = 20;
    speculation.guess(states, 20);
    const int guesses = static_cast<int>(state.guess.tokens.size());
    looked += guesses;
    const int came = std::min(right, guesses);
    if (guesses > 0) speculation.judged(state, came, came < guesses);
    speculation.learn(1 + guesses, 0, 1 + row_seconds * guesses);
  }
  return looked;
}

SpeculationOptions by(const std::shared_ptr<SlowDrafter>& drafter, int least = 1) {
  return {.drafter = drafter, .draft_min = least, .clock = turned_clock};
}

// The fake model, a batch of which takes a second.
class SlowDecoder final : public model::Decoder {
 public:
  explicit SlowDecoder(int sequences) : fake(kTestVocabulary, 16, sequences, 32) {}
  int vocabulary_size() const override { return fake.vocabulary_size(); }
  int max_rows() const override { return fake.max_rows(); }
  int max_sequences() const override { return fake.max_sequences(); }
  int max_outputs() const override { return fake.max_outputs(); }
  int64_t context() const override { return fake.context(); }
  Result<Matrix<const float>> run(const model::Batch& batch, cache::PagedKv& cache) override {
    time_now += 1;
    return fake.run(batch, cache);
  }
  model::FakeDecoder fake;
};

Request greedy_request(std::vector<int32_t> prompt, int max_tokens) {
  Request request;
  request.prompt = std::move(prompt);
  request.max_tokens = max_tokens;
  request.sampling.temperature = 0;
  request.ignore_end = true;
  return request;
}

}  // namespace

TEST_CASE("A batch without guesses costs what it took, whatever the last guess took") {
  const auto drafter = std::make_shared<SlowDrafter>(5, 10);
  SlowDecoder decoder(4);
  const auto tokenizer = test_tokenizer();
  Engine engine(decoder, tokenizer, *cache::PagedKv::create(model::FakeDecoder::kv_shape(), 512, 4),
                {.context = 128, .prompt_rows = 2, .speculation = by(drafter)});
  REQUIRE(engine.submit(greedy_request({1}, 60)));
  for (int step = 0; step < 2; ++step) engine.step();
  REQUIRE(drafter->calls == 1);  // in the step just now
  // More texts than a batch has rows: nobody guesses. Negative seconds end the program.
  for (int32_t i = 0; i < 3; ++i) REQUIRE(engine.submit(greedy_request({4 + i}, 20)));
  const int calls = drafter->calls;
  const double before = time_now;
  for (int step = 0; step < 20; ++step) engine.step();
  CHECK(drafter->calls == calls);
  CHECK(time_now == doctest::Approx(before + 20));
}

TEST_CASE("Guesses that never come true are soon left out, where rows cost time") {
  const auto drafter = std::make_shared<SlowDrafter>(5);
  CHECK(looked_at(by(drafter), 200, 0, 0.3) < 60);
  CHECK(drafter->calls < 40);
  CHECK(drafter->calls > 1);
  // Those that do are asked for in each step.
  const auto other = std::make_shared<SlowDrafter>(5);
  CHECK(looked_at(by(other), 200, 5, 0.1) > 800);
  CHECK(other->calls == 200);
}

TEST_CASE("A drafter that finds nothing is soon asked no more, and its time is counted") {
  const auto cheap = std::make_shared<SlowDrafter>(0);
  CHECK(looked_at(by(cheap), 200, 0, 0.3) == 0);
  CHECK(cheap->calls < 40);
  CHECK(cheap->calls > 1);
  // As much time as the model itself takes: one call says so.
  const auto dear = std::make_shared<SlowDrafter>(0, 1);
  CHECK(looked_at(by(dear), 200, 0, 0.3) == 0);
  CHECK(dear->calls < 3);
}

TEST_CASE("Drafts that are too short to count are soon asked for no more") {
  const auto drafter = std::make_shared<SlowDrafter>(2);
  CHECK(looked_at(by(drafter, 3), 200, 2, 0.02) == 0);
  CHECK(drafter->calls < 40);
  CHECK(drafter->calls > 1);
}

TEST_CASE("No drafter is asked for fewer guesses than count") {
  const auto drafter = std::make_shared<SlowDrafter>(5);
  looked_at(by(drafter, 4), 200, 1, 0.2);
  CHECK(drafter->calls > 0);
  CHECK(drafter->calls < 100);
  CHECK(drafter->least_asked >= 4);
  // Where so many pay they are asked for, though fewer seem to be best at first.
  const auto right = std::make_shared<SlowDrafter>(5);
  CHECK(looked_at(by(right, 4), 200, 5, 0.1) > 800);
}

TEST_CASE("A guess takes no page that another text needs for its row") {
  for (const bool guesser_first : {true, false}) {
    const auto drafter = std::make_shared<SlowDrafter>(5);
    model::FakeDecoder decoder(kTestVocabulary, 128, 2, 32);
    const auto tokenizer = test_tokenizer();
    // Three pages: one each, and one for whoever needs a second one.
    SpeculationOptions options = by(drafter);
    options.adapt = false;
    Engine engine(decoder, tokenizer,
                  *cache::PagedKv::create(model::FakeDecoder::kv_shape(), 192, 2),
                  {.context = 128, .prompt_rows = 128, .speculation = options});
    // At the same step the one is at the end of its page and the other's guesses would be behind.
    const std::vector<int32_t> shorter(58, 4), longer(62, 5);
    RequestId ids[2] = {};
    for (const bool guesser : {guesser_first, !guesser_first})
      ids[guesser] = *engine.submit(greedy_request(guesser ? shorter : longer, guesser ? 40 : 4));
    Finish finish[2] = {};
    while (!engine.idle()) {
      for (const Event& event : engine.step()) finish[event.request == ids[1]] = event.finish;
    }
    CHECK(finish[0] == Finish::MaxTokens);
    CHECK(finish[1] == Finish::MaxTokens);
  }
}
