#include "engine/speculation.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>

#include "engine/engine.h"
#include "engine/model_drafter.h"
#include "engine/ngram_drafter.h"
#include "engine/test_tokenizer.h"
#include "model/fake.h"
#include "tokenizer/made_up_vocabulary.h"

using namespace issun;
using namespace issun::engine;

namespace {

using TokenList = std::vector<int32_t>;

// Knows how texts go on, and errs as often as it is told to.
class Oracle final : public Drafter {
 public:
  explicit Oracle(double errs = 0.3) : errs_(errs) {}
  bool free() const override { return false; }
  void guess(std::span<Guess* const> guesses) override {
    for (Guess* guess : guesses) {
      guess->tokens.clear();
      REQUIRE(guess->most > 0);
      for (const TokenList& text : texts) {
        if (text.size() < guess->history.size() ||
            !std::equal(guess->history.begin(), guess->history.end(), text.begin())) {
          continue;
        }
        for (size_t i = guess->history.size();
             i < text.size() && static_cast<int>(guess->tokens.size()) < guess->most; ++i) {
          const bool wrong = std::uniform_real_distribution<>()(random_) < errs_;
          guess->tokens.push_back(wrong ? (text[i] + 1) % kTestVocabulary : text[i]);
        }
        break;
      }
      asked += guess->tokens.empty() ? 0 : 1;
    }
  }
  void forget(int64_t) override { ++forgotten; }

  std::vector<TokenList> texts;  // whole
  int asked = 0, forgotten = 0;

 private:
  double errs_;
  std::mt19937 random_{7};
};

struct Answer {
  TokenList tokens;
  std::string text;
  Finish finish = Finish::Running;
  RequestStatistics statistics;
  std::vector<float> chosen;
  bool operator==(const Answer& other) const {
    return tokens == other.tokens && text == other.text && finish == other.finish &&
           chosen == other.chosen &&
           statistics.generated_tokens == other.statistics.generated_tokens;
  }
};

struct Talks {
  explicit Talks(const SpeculationOptions& speculation = {}, int max_sequences = 4,
                 int64_t context = 256, int max_rows = 16)
      : decoder(kTestVocabulary, max_rows, max_sequences, 32),
        tokenizer(test_tokenizer()),
        engine(decoder, tokenizer,
               *cache::PagedKv::create(model::FakeDecoder::kv_shape(),
                                       round_up(context, cache::kPageTokens) * max_sequences,
                                       max_sequences),
               {.context = context, .prompt_rows = max_rows, .speculation = speculation}) {}

  void step() {
    for (const Event& event : engine.step()) {
      Answer& answer = answers[event.request];
      CHECK(answer.finish == Finish::Running);  // nothing comes behind the last event
      if (event.token >= 0) {
        answer.tokens.push_back(event.token);
        CHECK(event.statistics.generated_tokens == static_cast<int>(answer.tokens.size()));
      }
      if (!event.probabilities.before.empty()) answer.chosen.push_back(event.probabilities.chosen);
      answer.text += event.text;
      answer.finish = event.finish;
      answer.statistics = event.statistics;
    }
  }
  Answer run(Request request) {
    const RequestId id = *engine.submit(std::move(request));
    while (!engine.idle()) step();
    return answers.at(id);
  }

  std::map<RequestId, Answer> answers;
  model::FakeDecoder decoder;
  tokenizer::Tokenizer tokenizer;
  Engine engine;
};

Request greedy(TokenList prompt, int max_tokens) {
  Request request;
  request.prompt = std::move(prompt);
  request.max_tokens = max_tokens;
  request.sampling.temperature = 0;
  request.ignore_end = true;
  return request;
}

TokenList expected(TokenList history, int n) {
  TokenList answer;
  for (int i = 0; i < n; ++i) {
    answer.push_back(model::FakeDecoder::next(history, kTestVocabulary));
    history.push_back(answer.back());
  }
  return answer;
}

TokenList joined(TokenList a, const TokenList& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// What is answered with guesses, by an oracle that was told what is answered without.
struct Compared {
  Answer plain, guessed;
  std::shared_ptr<Oracle> oracle;
  std::vector<int> batches;
};
Compared compared(const Request& request, double errs = 0.3, SpeculationOptions options = {},
                  int64_t context = 256) {
  Compared result;
  Talks without({}, 4, context);
  result.plain = without.run(request);
  result.oracle = std::make_shared<Oracle>(errs);
  TokenList text = joined(request.prompt, result.plain.tokens);
  // An oracle does not stop where the answer does.
  for (int32_t i = 0; i < 8; ++i) text.push_back(3 + i);
  result.oracle->texts = {text};
  options.drafter = result.oracle;
  options.adapt = false;
  Talks with(options, 4, context);
  result.guessed = with.run(request);
  result.batches = with.decoder.batches();
  return result;
}

struct Sampled {
  const char* name;
  SamplerOptions options;
};
std::vector<Sampled> samplings() {
  const auto warm = [](auto&& change) {
    SamplerOptions options;
    options.temperature = 5;  // the fake model is very sure
    options.min_p = 0;
    options.top_p = 1;
    options.seed = 42;
    change(options);
    return options;
  };
  return {
      {"greedy", warm([](auto& o) { o.temperature = 0; })},
      {"warm", warm([](auto&) {})},
      {"top_k", warm([](auto& o) { o.top_k = 7; })},
      {"top_p", warm([](auto& o) { o.top_p = 0.7f; })},
      {"min_p", warm([](auto& o) { o.min_p = 0.1f; })},
      {"typical_p", warm([](auto& o) { o.typical_p = 0.6f; })},
      {"top_n_sigma", warm([](auto& o) { o.top_n_sigma = 1; })},
      {"xtc", warm([](auto& o) { o.xtc_probability = 0.5f, o.xtc_threshold = 0.02f; })},
      {"dynatemp", warm([](auto& o) { o.dynatemp_range = 2; })},
      {"repeat_penalty", warm([](auto& o) { o.repeat_penalty = 1.5f, o.temperature = 0; })},
      {"presence", warm([](auto& o) { o.presence_penalty = 2, o.frequency_penalty = 1; })},
      {"dry", warm([](auto& o) { o.dry_multiplier = 3, o.dry_penalty_last_n = -1; })},
      {"mirostat 1", warm([](auto& o) { o.mirostat = 1; })},
      {"mirostat 2", warm([](auto& o) { o.mirostat = 2, o.mirostat_tau = 3; })},
      {"bias", warm([](auto& o) {
         o.logit_bias = {{7, 8}, {9, -100}};
       })},
      {"probabilities", warm([](auto& o) { o.n_probs = 3; })},
  };
}

}  // namespace

TEST_CASE("Every way to choose tokens chooses the same with guesses and without") {
  for (const Sampled& sampled : samplings()) {
    CAPTURE(sampled.name);
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      Request request = greedy({1, 5, 9, 3, 4, 20, 7}, 90);
      request.sampling = sampled.options;
      request.sampling.seed = seed;
      const Compared got = compared(request);
      CHECK(got.guessed == got.plain);
      CHECK(got.guessed.tokens.size() == 90);
      const RequestStatistics& statistics = got.guessed.statistics;
      CHECK(statistics.accepted_tokens > 30);
      CHECK(statistics.drafted_tokens > statistics.accepted_tokens);  // some were wrong
      CHECK(got.plain.statistics.drafted_tokens == 0);
      // A batch for the prompt, and one for each token that was not guessed.
      CHECK(static_cast<int>(got.batches.size()) == 90 - statistics.accepted_tokens);
      CHECK(statistics.steps == 90 - statistics.accepted_tokens);
    }
  }
}

TEST_CASE("An answer of so many tokens has so many, wherever a draft stands then") {
  for (int most = 0; most < 20; ++most) {
    for (const double errs : {0.0, 0.3, 1.0}) {
      const Compared got = compared(greedy({1, 5, 9}, most), errs);
      CHECK(got.guessed == got.plain);
      CHECK(got.guessed.tokens.size() == static_cast<size_t>(most));
      CHECK(got.guessed.finish == Finish::MaxTokens);
      if (errs == 1) CHECK(got.guessed.statistics.accepted_tokens == 0);
    }
  }
}

TEST_CASE("No batch reaches beyond the context") {
  for (int context = 8; context < 30; ++context) {
    for (const double errs : {0.0, 0.3}) {
      const Compared got = compared(greedy({1, 5, 9}, -1), errs, {}, context);
      CHECK(got.guessed == got.plain);
      CHECK(got.guessed.finish == Finish::ContextFull);
      CHECK(static_cast<int>(got.guessed.tokens.size()) == context - 3);
    }
  }
}

TEST_CASE("An end token or a stop text inside of guesses ends the answer there") {
  int ended = 0, stopped = 0;
  for (int32_t first = 3; first < kTestVocabulary; ++first) {
    for (const double errs : {0.0, 0.3}) {
      Request request = greedy({1, first}, 60);
      request.ignore_end = false;
      const Compared got = compared(request, errs);
      CHECK(got.guessed == got.plain);
      ended += got.guessed.finish == Finish::EndToken;
      // Two letters of the free answer, at any place.
      request.ignore_end = true;
      const std::string text = compared(request, 1).plain.text;
      for (size_t at = 0; at + 2 < std::min<size_t>(text.size(), 12); ++at) {
        request.stop = {text.substr(at, 2)};
        const Compared cut = compared(request, errs);
        CHECK(cut.guessed == cut.plain);
        CHECK(cut.guessed.text.find(request.stop[0]) == std::string::npos);
        // Also where the last token is a guess that came true.
        CHECK(cut.guessed.statistics.steps == static_cast<int>(cut.batches.size()));
        CHECK(cut.plain.statistics.steps == cut.plain.statistics.generated_tokens);
        stopped += cut.guessed.finish == Finish::StopText;
      }
    }
  }
  CHECK(ended > 20);
  CHECK(stopped > 100);
}

TEST_CASE("A grammar holds for guesses") {
  const auto grammar = std::make_shared<const grammar::Grammar>(
      std::move(*grammar::Grammar::from_gbnf("root ::= [a-z]{30} (\"ab\" | \"ac\")")));
  for (const double errs : {0.0, 0.3, 1.0}) {
    Request request = greedy({3, 4}, 50);
    request.grammar = grammar;
    request.sampling.temperature = 5;
    const Compared got = compared(request, errs);
    CHECK(got.guessed == got.plain);
    CHECK(got.guessed.finish == Finish::EndToken);
    CHECK(got.guessed.text.size() == 32);
    if (errs < 1) CHECK(got.guessed.statistics.accepted_tokens > 5);
  }
}

TEST_CASE("Nothing of a wrong guess is kept or shared, however the answer ended") {
  const TokenList prompt = {1, 5, 9, 3, 4, 20, 7};
  for (int way = 0; way < 4; ++way) {
    CAPTURE(way);
    for (int length = 1; length < 80; length += 3) {
      for (const double errs : {0.5, 1.0}) {
        auto oracle = std::make_shared<Oracle>(errs);
        const TokenList answer = expected(prompt, 100);
        oracle->texts = {joined(prompt, answer)};
        Talks setting({.drafter = oracle, .adapt = false}, 2);
        Request request = greedy(prompt, way == 0 ? length : -1);
        if (way == 1) {
          std::string text;
          setting.tokenizer.append_piece(answer[static_cast<size_t>(length)], false, text);
          if (text.empty()) continue;
          request.stop = {text};
        }
        const RequestId id = *setting.engine.submit(std::move(request));
        if (way >= 2) {
          while (static_cast<int>(setting.answers[id].tokens.size()) < length) setting.step();
          if (way == 2) setting.engine.cancel(id);
          // Way 3: it runs on while others begin as it does.
        } else {
          while (!setting.engine.idle()) setting.step();
        }
        // As it went on, and as it did not.
        const size_t said = setting.answers[id].tokens.size();
        for (const bool wrong : {false, true}) {
          TokenList longer =
              joined(prompt, TokenList(answer.begin(), answer.begin() + std::ptrdiff_t(said)));
          if (wrong) longer.back() = (longer.back() + 1) % kTestVocabulary;
          for (size_t i = said; i < said + 4; ++i)
            longer.push_back((answer[i] + (wrong ? 1 : 0)) % kTestVocabulary);
          const RequestId next = *setting.engine.submit(greedy(longer, 8));
          while (setting.answers[next].finish == Finish::Running) setting.step();
          CHECK(setting.answers[next].tokens == expected(longer, 8));
          CHECK(setting.answers[next].statistics.cached_tokens <=
                static_cast<int>(prompt.size() + setting.answers[id].tokens.size()));
        }
      }
    }
  }
}

TEST_CASE("Texts that come and go together are guessed each by itself") {
  for (uint32_t seed = 1; seed <= 10; ++seed) {
    auto oracle = std::make_shared<Oracle>(0.25);
    std::mt19937 random(seed);
    std::vector<TokenList> prompts;
    for (int i = 0; i < 12; ++i) {
      TokenList prompt = {1};
      // Some begin alike, for longer than a page.
      while (prompt.size() < (i % 3 == 0 ? 80u : 5u))
        prompt.push_back(3 + int32_t(prompt.size()) % 9);
      prompt.push_back(3 + static_cast<int32_t>(random() % 20));
      prompts.push_back(prompt);
      oracle->texts.push_back(joined(prompt, expected(prompt, 60)));
    }
    Talks setting({.drafter = oracle, .adapt = false}, 4);
    std::map<RequestId, TokenList> asked;
    size_t sent = 0;
    while (sent < prompts.size() || !setting.engine.idle()) {
      if (sent < prompts.size() && setting.engine.running() < 4 && random() % 3 == 0) {
        const RequestId id = *setting.engine.submit(greedy(prompts[sent], 40));
        asked[id] = prompts[sent++];
      }
      setting.step();
    }
    int accepted = 0;
    for (const auto& [id, prompt] : asked) {
      CHECK(setting.answers[id].tokens == expected(prompt, 40));
      accepted += setting.answers[id].statistics.accepted_tokens;
    }
    CHECK(accepted > 50);
    CHECK(oracle->forgotten == 12);
    for (const int rows : setting.decoder.batches()) CHECK(rows <= 16);
  }
}

TEST_CASE("No guess changes a bit, unless that is wished") {
  const auto longest = [](const SpeculationOptions& options, int sequences, int alike) {
    auto oracle = std::make_shared<Oracle>(0);
    SpeculationOptions with = options;
    with.drafter = oracle;
    with.adapt = false;
    Talks setting(with, 8, 256, 40);
    setting.decoder.compute_alike_up_to(alike);
    for (int i = 0; i < sequences; ++i) {
      const TokenList prompt = {3 + i};
      oracle->texts.push_back(joined(prompt, expected(prompt, 60)));
      REQUIRE(setting.engine.submit(greedy(prompt, 40)));
    }
    setting.step();  // the prompts
    int most = 0;
    while (!setting.engine.idle()) {
      const bool all = setting.engine.running() == sequences;
      setting.step();
      if (all) most = std::max(most, setting.decoder.batches().back());
      const int company = setting.decoder.companies().back();
      if (all) CHECK(company == (options.keep_bits ? sequences : 0));
    }
    return most;
  };
  CHECK(longest({.draft_max = 5}, 1, 6) == 6);
  CHECK(longest({.draft_max = 5}, 1, 4) == 6);
  CHECK(longest({.draft_max = 5}, 1, 1) == 6);
  // More than are computed like one have any room.
  CHECK(longest({.draft_max = 5}, 3, 2) == 18);
  CHECK(longest({.draft_max = 5}, 4, 3) == 24);
  CHECK(longest({.draft_max = 9}, 1, 6) == 6);
  CHECK(longest({.draft_max = 9, .keep_bits = false}, 1, 6) == 10);
  CHECK(longest({.draft_max = 5}, 4, 6) == 6);
  CHECK(longest({.draft_max = 5}, 6, 6) == 6);
  // More than that are computed in the other way in any case.
  CHECK(longest({.draft_max = 2}, 8, 6) == 24);
  CHECK(longest({.draft_max = 5}, 8, 6) == 40);  // no more than 32 guesses
}

TEST_CASE("A batch that reads a prompt asks for no company, whatever was guessed before") {
  auto oracle = std::make_shared<Oracle>(0);
  SpeculationOptions with{.draft_max = 3};
  with.drafter = oracle;
  with.adapt = false;
  Talks setting(with, 4, 256, 40);
  for (const int first : {3, 4}) {
    const TokenList prompt = {first};
    oracle->texts.push_back(joined(prompt, expected(prompt, 60)));
  }
  REQUIRE(setting.engine.submit(greedy({3}, 30)));
  setting.step();
  CHECK(setting.decoder.companies().back() == 0);
  setting.step();
  CHECK(setting.decoder.batches().back() == 4);
  CHECK(setting.decoder.companies().back() == 1);
  REQUIRE(setting.engine.submit(greedy({4}, 30)));
  setting.step();  // the second one's prompt beside the first
  CHECK(setting.decoder.companies().back() == 0);
  setting.step();
  CHECK(setting.decoder.companies().back() == 2);
}

TEST_CASE("Drafts that are too short are left out") {
  const Compared got = compared(greedy({1, 5, 9}, 30), 0, {.draft_max = 4, .draft_min = 4});
  CHECK(got.guessed == got.plain);
  for (const int rows : got.batches) CHECK((rows == 1 || rows == 3 || rows == 5));
}

TEST_CASE("A batch that fails with guesses in it leaves only what is right") {
  const TokenList prompt = {1, 5, 9, 3};
  for (int fail = 0; fail < 12; ++fail) {
    auto oracle = std::make_shared<Oracle>(0.3);
    oracle->texts = {joined(prompt, expected(prompt, 80))};
    Talks setting({.drafter = oracle, .adapt = false}, 2);
    setting.decoder.fail_after(fail);
    const Answer broken = setting.run(greedy(prompt, 60));
    CHECK(broken.finish == Finish::Failed);
    setting.decoder.fail_after(-1);
    CHECK(setting.run(greedy(prompt, 60)).tokens == expected(prompt, 60));
  }
}

TEST_CASE("The text itself as the source of guesses changes nothing that is said") {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    for (const float temperature : {0.0f, 3.0f}) {
      Request request = greedy({1, 5, 9, 5, 9, 5, 9}, 120);
      request.sampling.temperature = temperature;
      request.sampling.seed = seed;
      request.sampling.top_k = 3;
      request.sampling.min_p = 0;
      Talks without;
      const Answer plain = without.run(request);
      Talks with({.drafter = std::make_shared<NgramDrafter>(1, 3), .adapt = seed % 2 == 0});
      const Answer guessed = with.run(request);
      CHECK(guessed == plain);
      CHECK(guessed.statistics.drafted_tokens > 0);
    }
  }
}

namespace {

// A fake model that is another one in so many of its runs.
class Distracted final : public model::Decoder {
 public:
  Distracted(int rows, int sequences, int every)
      : fake(kTestVocabulary, rows, sequences), every_(every) {}
  int vocabulary_size() const override { return fake.vocabulary_size(); }
  int max_rows() const override { return fake.max_rows(); }
  int max_sequences() const override { return fake.max_sequences(); }
  int max_outputs() const override { return fake.max_outputs(); }
  int64_t context() const override { return fake.context(); }
  Result<Matrix<const float>> run(const model::Batch& batch, cache::PagedKv& cache) override {
    auto logits = fake.run(batch, cache);
    if (!logits || every_ == 0 || fake.runs() % every_ != 0) return logits;
    copy_.assign(logits->data, logits->data + logits->rows * logits->stride);
    for (float& logit : copy_) logit = logit > 0 ? 0 : logit;
    for (int64_t r = 0; r < logits->rows; ++r)
      copy_[static_cast<size_t>(r * logits->stride + 5)] = 10;
    return Matrix<const float>{copy_.data(), logits->rows, logits->columns, logits->stride};
  }
  model::FakeDecoder fake;

 private:
  int every_;
  std::vector<float> copy_;
};

struct SmallModel {
  explicit SmallModel(int every, int texts = 4, int rows = 16, double least = 0.5)
      : decoder(std::make_shared<Distracted>(rows, texts, every)),
        drafter(std::make_shared<ModelDrafter>(
            decoder, *cache::PagedKv::create(model::FakeDecoder::kv_shape(), 256 * texts, texts),
            ModelDrafterOptions{.texts = texts, .least_probability = least})) {}
  std::shared_ptr<Distracted> decoder;
  std::shared_ptr<ModelDrafter> drafter;
};

}  // namespace

TEST_CASE("A smaller model guesses, and what is said is what the larger one says alone") {
  for (const Sampled& sampled : samplings()) {
    CAPTURE(sampled.name);
    for (const int every : {0, 2, 3}) {
      Request request = greedy({1, 5, 9, 3, 4, 20, 7}, 90);
      request.sampling = sampled.options;
      Talks without;
      const Answer plain = without.run(request);
      const SmallModel small(every);
      Talks with({.drafter = small.drafter, .adapt = false});
      const Answer guessed = with.run(request);
      CHECK(guessed == plain);
      CHECK(guessed.statistics.accepted_tokens > 3);
      if (every == 0 && sampled.options.temperature == 0 && sampled.options.repeat_penalty == 1)
        CHECK(guessed.statistics.accepted_tokens == guessed.statistics.drafted_tokens);
    }
  }
}

TEST_CASE("A smaller model that is not sure guesses nothing") {
  const SmallModel small(0, 4, 16, 0.9999);
  Talks with({.drafter = small.drafter, .adapt = false});
  CHECK(with.run(greedy({1, 5}, 40)).tokens == expected({1, 5}, 40));
  CHECK(with.answers.begin()->second.statistics.drafted_tokens == 0);
}

TEST_CASE("A smaller model follows texts that come and go, and reads no beginning twice") {
  for (const int rows : {4, 16}) {
    const SmallModel small(3, 4, rows);
    Talks talks({.drafter = small.drafter, .adapt = false}, 4);
    std::map<RequestId, TokenList> asked;
    std::mt19937 random(3);
    for (int sent = 0; sent < 12 || !talks.engine.idle();) {
      if (sent < 12 && talks.engine.running() < 4 && random() % 4 == 0) {
        TokenList prompt(static_cast<size_t>(3 + sent * 7 % 40), 4 + sent % 3);
        prompt.back() = 3 + sent;
        asked[*talks.engine.submit(greedy(prompt, 40))] = prompt;
        ++sent;
      }
      talks.step();
    }
    for (const auto& [id, prompt] : asked) CHECK(talks.answers[id].tokens == expected(prompt, 40));
  }
  const SmallModel small(0, 1);
  Talks talks({.drafter = small.drafter, .adapt = false}, 1);
  TokenList talk(100, 6);
  REQUIRE(talks.run(greedy(talk, 20)).tokens == expected(talk, 20));
  talk = joined(talk, talks.run(greedy(talk, 20)).tokens);  // all of it is known
  const int before = small.decoder->fake.rows_run();
  talk.push_back(9);
  CHECK(talks.run(greedy(talk, 4)).tokens == expected(talk, 4));
  CHECK(small.decoder->fake.rows_run() - before < 10);
}

TEST_CASE("A smaller model that cannot be read costs guesses and nothing else") {
  for (int fail = 0; fail < 30; ++fail) {
    const SmallModel small(3, 2);
    small.decoder->fake.fail_after(fail);
    Talks talks({.drafter = small.drafter, .adapt = false}, 2);
    const TokenList other = {1, 7, 7};
    const RequestId a = *talks.engine.submit(greedy({1, 5}, 40));
    const RequestId b = *talks.engine.submit(greedy(other, 40));
    while (!talks.engine.idle()) talks.step();
    CHECK(talks.answers[a].tokens == expected({1, 5}, 40));
    CHECK(talks.answers[b].tokens == expected(other, 40));
  }
}

TEST_CASE("Another vocabulary is refused by what differs") {
  const tokenizer::Tokenizer one = test_tokenizer(), same = test_tokenizer();
  CHECK(check_same_vocabulary(one, same).has_value());
  tokenizer::MadeUpVocabulary made;
  made.model = "llama";
  made.add("<unk>", tokenizer::TokenKind::Unknown);
  made.add("<s>", tokenizer::TokenKind::Control);
  made.add("</s>", tokenizer::TokenKind::Control);
  for (int i = 0; i < 26; ++i)
    made.add(std::string(1, static_cast<char>(i == 4 ? 'A' : 'a' + i)),
             tokenizer::TokenKind::Normal, -1);
  made.ids = {{"tokenizer.ggml.bos_token_id", 1}, {"tokenizer.ggml.eos_token_id", kTestEnd}};
  const auto other = tokenizer::Tokenizer::create(made.metadata());
  REQUIRE(other.has_value());
  CHECK(check_same_vocabulary(one, *other).error().message.find("'e' as token 7, found 'A'") !=
        std::string::npos);
  made.add("zz", tokenizer::TokenKind::Normal, -1);
  const auto longer = tokenizer::Tokenizer::create(made.metadata());
  REQUIRE(longer.has_value());
  CHECK(check_same_vocabulary(one, *longer).error().message.find("of 29 tokens, found one of 30") !=
        std::string::npos);
}
