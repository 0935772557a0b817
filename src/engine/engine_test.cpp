#include "engine/engine.h"

#include <doctest/doctest.h>

#include <map>

#include "engine/test_tokenizer.h"
#include "model/fake.h"

using namespace issun;
using namespace issun::engine;

namespace {

// An engine over the fake model, and what it should say.
struct Setting {
  explicit Setting(int max_rows = 8, int max_sequences = 4, int64_t context = 256,
                   const cache::KvShape& shape = model::FakeDecoder::kv_shape(), int adapters = 0)
      : decoder(kTestVocabulary, max_rows, max_sequences, 0, adapters),
        tokenizer(test_tokenizer()),
        engine(decoder, tokenizer,
               *cache::PagedKv::create(shape, round_up(context, cache::kPageTokens) * max_sequences,
                                       max_sequences),
               {.context = context, .prompt_rows = max_rows}) {}

  static Request greedy(std::vector<int32_t> prompt, int max_tokens) {
    Request request;
    request.prompt = std::move(prompt);
    request.max_tokens = max_tokens;
    request.sampling.temperature = 0;
    request.ignore_end = true;
    return request;
  }

  struct Answer {
    std::vector<int32_t> tokens;
    std::string text;
    Finish finish = Finish::Running;
    RequestStatistics statistics;
  };
  std::map<RequestId, Answer> run() {
    std::map<RequestId, Answer> answers;
    while (!engine.idle()) {
      for (const Event& event : engine.step()) {
        Answer& answer = answers[event.request];
        if (event.token >= 0) answer.tokens.push_back(event.token);
        answer.text += event.text;
        answer.finish = event.finish;
        answer.statistics = event.statistics;
      }
    }
    return answers;
  }

  static std::vector<int32_t> expected(std::vector<int32_t> history, int n, int shift = 0) {
    std::vector<int32_t> answer;
    for (int i = 0; i < n; ++i) {
      answer.push_back(
          model::FakeDecoder::next(model::FakeDecoder::shifted(history, shift), kTestVocabulary));
      history.push_back(answer.back());
    }
    return answer;
  }

  model::FakeDecoder decoder;
  tokenizer::Tokenizer tokenizer;
  Engine engine;
};

}  // namespace

TEST_CASE(
    "A request gets the tokens that the model gives after its whole past, however the prompt is "
    "cut") {
  const std::vector<int32_t> prompt = {1, 5, 9, 3, 4, 20, 7, 7, 11, 28, 6};
  for (const int max_rows : {1, 3, 11, 64}) {
    Setting setting(max_rows);
    const RequestId id = *setting.engine.submit(Setting::greedy(prompt, 90));
    const auto answers = setting.run();
    CHECK(answers.at(id).tokens == Setting::expected(prompt, 90));
    CHECK(answers.at(id).finish == Finish::MaxTokens);
  }
}

TEST_CASE("Requests that run together get what each gets alone") {
  Setting setting(5, 4);
  std::map<RequestId, std::vector<int32_t>> expected;
  for (const std::vector<int32_t>& prompt :
       {std::vector<int32_t>{1, 4, 5}, {1, 9, 9, 9, 9, 9, 9, 9, 9}, {1}, {1, 20, 21}}) {
    const RequestId id = *setting.engine.submit(Setting::greedy(prompt, 30));
    expected[id] = Setting::expected(prompt, 30);
    setting.engine.step();  // they arrive while others run
  }
  const auto answers = setting.run();
  for (const auto& [id, tokens] : expected) {
    const auto& got = answers.at(id).tokens;
    // Events of the steps between the submissions were not collected: compare what came last.
    REQUIRE(got.size() <= tokens.size());
    CHECK(std::equal(got.rbegin(), got.rend(), tokens.rbegin()));
    CHECK(got.size() >= 26);
  }
}

TEST_CASE("A request that begins like a finished one computes only what is new") {
  Setting setting(16, 1);
  const std::vector<int32_t> prompt = {1, 5, 9, 3, 4, 20, 7};
  const RequestId first = *setting.engine.submit(Setting::greedy(prompt, 5));
  const auto answer = setting.run().at(first).tokens;
  std::vector<int32_t> longer = prompt;
  longer.insert(longer.end(), answer.begin(), answer.end());
  longer.push_back(13);
  const int before = setting.decoder.rows_run();
  const RequestId second = *setting.engine.submit(Setting::greedy(longer, 1));
  const auto answer_two = setting.run().at(second);
  CHECK(answer_two.tokens == Setting::expected(longer, 1));
  CHECK(setting.decoder.rows_run() - before == 2);  // the last answered token and the new one
  CHECK(answer_two.statistics.cached_tokens == static_cast<int>(longer.size()) - 2);
}

TEST_CASE("The same prompt again still computes one token, for its logits") {
  Setting setting(16, 1);
  const std::vector<int32_t> prompt = {1, 5, 9};
  const RequestId first = *setting.engine.submit(Setting::greedy(prompt, 1));
  const auto once = setting.run().at(first).tokens;
  const RequestId second = *setting.engine.submit(Setting::greedy(prompt, 1));
  const auto twice = setting.run().at(second);
  CHECK(twice.tokens == once);
  CHECK(twice.statistics.cached_tokens == 2);
}

TEST_CASE("An answer ends when the context is full, and says so") {
  Setting setting(8, 1, 20);
  const RequestId id = *setting.engine.submit(Setting::greedy({1, 2, 3, 4}, -1));
  const auto answer = setting.run().at(id);
  CHECK(answer.finish == Finish::ContextFull);
  CHECK(answer.tokens.size() == 16);
}

TEST_CASE("An end token ends the answer and shows nothing") {
  Setting setting(8, 1);
  for (int32_t first = 3; first < kTestVocabulary; ++first) {
    Request request = Setting::greedy({1, first}, 60);
    request.ignore_end = false;
    const auto free_run = Setting::expected(request.prompt, 60);
    const auto end = std::find(free_run.begin(), free_run.end(), kTestEnd);
    const RequestId id = *setting.engine.submit(std::move(request));
    const auto answer = setting.run().at(id);
    CHECK((answer.finish == Finish::EndToken) == (end != free_run.end()));
    CHECK(answer.text.find('<') == std::string::npos);
    if (end != free_run.end())
      CHECK(answer.tokens.size() == static_cast<size_t>(end - free_run.begin()) + 1);
  }
}

TEST_CASE("A cancelled request ends, and its past serves the next") {
  Setting setting(8, 1);
  const std::vector<int32_t> prompt = {1, 5, 9, 12, 13};
  const RequestId id = *setting.engine.submit(Setting::greedy(prompt, 50));
  setting.engine.step();
  setting.engine.cancel(id);
  CHECK(setting.engine.idle());
  const RequestId again = *setting.engine.submit(Setting::greedy(prompt, 3));
  const auto answer = setting.run().at(again);
  CHECK(answer.tokens == Setting::expected(prompt, 3));
  CHECK(answer.statistics.cached_tokens == 4);
}

TEST_CASE("A request that only begins like a finished one leaves that one its cache") {
  Setting setting(16, 2, 256);
  std::vector<int32_t> talk = {1, 5, 9, 3, 4, 20, 7};
  const RequestId first = *setting.engine.submit(Setting::greedy(talk, 3));
  const auto answer = setting.run().at(first).tokens;
  const RequestId other = *setting.engine.submit(Setting::greedy({1, 17, 18}, 3));
  CHECK(setting.run().at(other).tokens == Setting::expected({1, 17, 18}, 3));
  talk.insert(talk.end(), answer.begin(), answer.end());
  talk.push_back(8);
  const RequestId again = *setting.engine.submit(Setting::greedy(talk, 2));
  const auto second = setting.run().at(again);
  CHECK(second.tokens == Setting::expected(talk, 2));
  CHECK(second.statistics.cached_tokens == static_cast<int>(talk.size()) - 2);
}

TEST_CASE("More requests than a batch has rows all get their turn") {
  Setting setting(2, 5, 128);
  std::map<RequestId, std::vector<int32_t>> prompts;
  for (int32_t i = 0; i < 5; ++i) {
    const std::vector<int32_t> prompt = {1, 5 + i, 9};
    prompts[*setting.engine.submit(Setting::greedy(prompt, 20))] = prompt;
  }
  int steps = 0;
  std::map<RequestId, std::vector<int32_t>> answers;
  while (!setting.engine.idle() && ++steps < 1000) {
    for (const Event& event : setting.engine.step()) answers[event.request].push_back(event.token);
  }
  for (const auto& [id, prompt] : prompts) CHECK(answers[id] == Setting::expected(prompt, 20));
  CHECK(steps <= 5 * 23 / 2 + 5);
}

TEST_CASE("What finished requests left behind gives way when pages run out") {
  Setting setting(64, 1, 128);
  for (int32_t first = 3; first < 20; ++first) {
    const std::vector<int32_t> prompt = {first, 4, 4};
    const RequestId id = *setting.engine.submit(Setting::greedy(prompt, 70));
    CHECK(setting.run().at(id).tokens == Setting::expected(prompt, 70));
  }
}

TEST_CASE("A text with a state goes on where one is known, and the answer is right wherever") {
  // A prompt of 40 keeps its state after 24 tokens; the answer ends after 49, one not computed.
  std::vector<int32_t> prompt;
  for (int32_t i = 0; i < 40; ++i) prompt.push_back(3 + i * 5 % 20);
  struct Case {
    int common, cached;  // tokens alike; tokens that need no computing
  };
  for (const Case& c : {Case{50, 49}, {45, 24}, {25, 24}, {24, 24}, {23, 0}, {0, 0}}) {
    for (const int sequences : {1, 3}) {
      CAPTURE(c.common);
      Setting setting(16, sequences, 256, model::FakeDecoder::recurrent_shape());
      const RequestId first = *setting.engine.submit(Setting::greedy(prompt, 10));
      const auto answer = setting.run().at(first).tokens;
      REQUIRE(answer == Setting::expected(prompt, 10));
      std::vector<int32_t> second = prompt;
      second.insert(second.end(), answer.begin(), answer.end());
      second.resize(static_cast<size_t>(c.common));
      while (second.size() < 60) second.push_back(27);
      const RequestId id = *setting.engine.submit(Setting::greedy(second, 20));
      const auto got = setting.run().at(id);
      CHECK(got.tokens == Setting::expected(second, 20));
      CHECK(got.statistics.cached_tokens == c.cached);
    }
  }
}

TEST_CASE("Many requests with states come and go, and each gets its own answer") {
  Setting setting(7, 3, 128, model::FakeDecoder::recurrent_shape());
  std::map<RequestId, std::vector<int32_t>> prompts, answers;
  int32_t sent = 0;
  for (int steps = 0; (sent < 12 || !setting.engine.idle()) && steps < 2000; ++steps) {
    while (sent < 12) {
      std::vector<int32_t> prompt(static_cast<size_t>(5 + sent * 4 % 40), 4 + sent % 3);
      prompt.back() = 9;
      const auto id = setting.engine.submit(Setting::greedy(prompt, 9));
      if (!id) break;  // as many as may run at once
      prompts[*id] = prompt;
      ++sent;
    }
    for (const Event& event : setting.engine.step()) answers[event.request].push_back(event.token);
  }
  CHECK(prompts.size() == 12);
  for (const auto& [id, prompt] : prompts) CHECK(answers[id] == Setting::expected(prompt, 9));
}

TEST_CASE("With nothing to generate the prompt is computed and that is all") {
  Setting setting(8, 1);
  const RequestId id = *setting.engine.submit(Setting::greedy({1, 2, 3}, 0));
  const auto answer = setting.run().at(id);
  CHECK(answer.tokens.empty());
  CHECK(answer.finish == Finish::MaxTokens);
  CHECK(setting.decoder.rows_run() == 3);
}

TEST_CASE("Requests that cannot be served are refused by name") {
  Setting setting(8, 1, 20);
  const auto message = [&](Request request) {
    return setting.engine.submit(std::move(request)).error().message;
  };
  CHECK(message(Setting::greedy({}, 1)) == "prompt: expected at least one token");
  CHECK(message(Setting::greedy({1, 29}, 1)).find("found 29") != std::string::npos);
  CHECK(message(Setting::greedy(std::vector<int32_t>(20, 4), 1)).find("20 tokens leave no room") !=
        std::string::npos);
  Request request = Setting::greedy({1}, 1);
  request.stop = {""};
  CHECK(message(request).starts_with("stop:"));
  request = Setting::greedy({1}, 1);
  request.sampling.top_p = 2;
  CHECK(message(request).starts_with("top_p:"));
  REQUIRE(setting.engine.submit(Setting::greedy({1}, 1)));
  CHECK(message(Setting::greedy({1}, 1)).find("at most 1 at once") != std::string::npos);
}

TEST_CASE("an answer with a grammar follows it, and ends where nothing else may come") {
  Setting setting;
  Request request = Setting::greedy({3, 4}, 50);
  request.grammar = std::make_shared<const grammar::Grammar>(
      std::move(*grammar::Grammar::from_gbnf("root ::= [xyz]{3} (\"ab\" | \"ac\")")));
  REQUIRE(setting.engine.submit(std::move(request)).has_value());
  const auto answers = setting.run();
  REQUIRE(answers.size() == 1);
  const auto& answer = answers.begin()->second;
  CHECK(answer.finish == Finish::EndToken);  // although the request ignores ends
  CHECK(answer.text.size() == 5);
  CHECK(answer.text.find_first_not_of("xyz") == 3);
  CHECK(answer.text.substr(3, 1) == "a");
}

TEST_CASE("Requests that begin alike and run at once read what they share once") {
  for (const bool recurrent : {false, true}) {
    const auto shape =
        recurrent ? model::FakeDecoder::recurrent_shape() : model::FakeDecoder::kv_shape();
    Setting setting(16, 4, 512, shape);
    std::vector<int32_t> shared;
    for (int i = 0; i < 150; ++i) shared.push_back(3 + i * i % 25);
    std::vector<RequestId> ids;
    std::vector<std::vector<int32_t>> prompts;
    for (int i = 0; i < 4; ++i) {
      prompts.push_back(shared);
      prompts.back().push_back(4 + i);
      ids.push_back(*setting.engine.submit(Setting::greedy(prompts.back(), 10)));
    }
    const auto answers = setting.run();
    for (size_t i = 0; i < 4; ++i) {
      INFO(i);
      CHECK(answers.at(ids[i]).tokens == Setting::expected(prompts[i], 10));
    }
    if (!recurrent) CHECK(setting.decoder.rows_run() < 151 + 3 * 20 + 4 * 10);
  }
}

TEST_CASE("The same prompt several times at once is read once, and each has its answer") {
  Setting setting(16, 4, 512);
  std::vector<int32_t> prompt;
  for (int i = 0; i < 130; ++i) prompt.push_back(3 + i * 7 % 25);
  std::vector<RequestId> ids;
  for (int i = 0; i < 4; ++i) ids.push_back(*setting.engine.submit(Setting::greedy(prompt, 5)));
  const auto answers = setting.run();
  int cached = 0;
  for (const RequestId id : ids) {
    CHECK(answers.at(id).tokens == Setting::expected(prompt, 5));
    cached += answers.at(id).statistics.cached_tokens;
  }
  CHECK(cached >= 3 * 64);
}

TEST_CASE("What was waited for is shared although its reader has ended, or was cancelled") {
  for (const bool cancelled : {false, true}) {
    Setting setting(16, 4, 512);
    std::vector<int32_t> prompt;
    for (int i = 0; i < 130; ++i) prompt.push_back(3 + i * 7 % 25);
    std::vector<RequestId> ids;
    for (int i = 0; i < 3; ++i) ids.push_back(*setting.engine.submit(Setting::greedy(prompt, 1)));
    if (cancelled) {
      for (int i = 0; i < 6; ++i) setting.engine.step();
      setting.engine.cancel(ids[0]);
    }
    const auto answers = setting.run();
    for (size_t i = cancelled ? 1 : 0; i < 3; ++i)
      CHECK(answers.at(ids[i]).tokens == Setting::expected(prompt, 1));
    CHECK(setting.decoder.rows_run() < 200);
  }
}

TEST_CASE("Prompts go on being read beside many answers that are written") {
  Setting setting(64, 40, 256);
  for (int i = 0; i < 39; ++i)
    REQUIRE(setting.engine.submit(Setting::greedy({1, 3 + i % 20}, 200)));
  for (int i = 0; i < 5; ++i) setting.engine.step();
  std::vector<int32_t> prompt(100, 4);
  const RequestId late = *setting.engine.submit(Setting::greedy(prompt, 1));
  int steps = 0;
  for (bool ended = false; !ended; ++steps) {
    REQUIRE(steps < 10);
    for (const Event& event : setting.engine.step())
      ended = ended || (event.request == late && event.finish != Finish::Running);
  }
}

TEST_CASE(
    "A batch whose weights could not be read ends its requests with the reason, and no others") {
  Setting setting;
  setting.decoder.fail_after(2);
  const auto broken = *setting.engine.submit(Setting::greedy({1, 2, 3}, 8));
  std::string error;
  Finish finish = Finish::Running;
  while (!setting.engine.idle()) {
    for (const Event& event : setting.engine.step()) {
      CHECK(event.request == broken);
      finish = event.finish;
      error = event.error;
    }
  }
  CHECK(finish == Finish::Failed);
  CHECK(error == "disk: broken");
  // What was read before is whole: the same prompt goes on from it and is right.
  const auto again = *setting.engine.submit(Setting::greedy({1, 2, 3}, 8));
  CHECK(setting.run().at(again).tokens == Setting::expected({1, 2, 3}, 8));
}

TEST_CASE("Whichever batch fails, what requests shared stays right for those that come after") {
  std::vector<int32_t> first, second;
  for (int i = 0; i < 170; ++i) first.push_back(1 + i % 23);
  second = first;
  second.resize(140);
  second.push_back(9);
  int failures = 0;
  for (int fail = 0; fail < 40; ++fail) {
    CAPTURE(fail);
    Setting setting;
    // Something of the prompt is kept before, so that it is found and then outgrown.
    std::vector<int32_t> begun(first.begin(), first.begin() + 40);
    const auto kept = *setting.engine.submit(Setting::greedy(begun, 2));
    CHECK(setting.run().at(kept).tokens == Setting::expected(begun, 2));
    setting.decoder.fail_after(setting.decoder.runs() + fail);
    REQUIRE(setting.engine.submit(Setting::greedy(first, 3)));
    REQUIRE(setting.engine.submit(Setting::greedy(second, 3)));
    for (const auto& [id, answer] : setting.run()) failures += answer.finish == Finish::Failed;
    setting.decoder.fail_after(-1);
    const auto a = *setting.engine.submit(Setting::greedy(first, 3));
    const auto b = *setting.engine.submit(Setting::greedy(second, 3));
    const auto answers = setting.run();
    CHECK(answers.at(a).tokens == Setting::expected(first, 3));
    CHECK(answers.at(b).tokens == Setting::expected(second, 3));
  }
  CHECK(failures > 20);
}

TEST_CASE("What was read with other scales of adapters is never gone on from") {
  Setting setting(8, 4, 256, model::FakeDecoder::kv_shape(), 1);
  const std::vector<int32_t> prompt = {1, 5, 9, 3, 4, 20, 7, 7, 11, 28, 6};
  const auto ask = [&](float scale) {
    Request request = Setting::greedy(prompt, 20);
    request.adapter_scales = {scale};
    return request;
  };
  const auto answer = [&](float scale) {
    const RequestId id = *setting.engine.submit(ask(scale));
    const auto found = setting.run().at(id);
    CHECK(found.tokens == Setting::expected(prompt, 20, static_cast<int>(scale) - 1));
    return found.statistics.cached_tokens;
  };
  CHECK(answer(1) == 0);
  CHECK(answer(3) == 0);
  CHECK(answer(3) > 0);
  CHECK(answer(1) > 0);
  CHECK(answer(2) == 0);
  // Nor do they run together.
  const RequestId first = *setting.engine.submit(ask(3));
  CHECK(setting.engine.may_join(ask(3)));
  CHECK_FALSE(setting.engine.may_join(ask(1)));
  CHECK_FALSE(setting.engine.may_join(Setting::greedy(prompt, 20)));
  CHECK_FALSE(setting.engine.submit(ask(1)).has_value());
  CHECK(setting.run().at(first).tokens == Setting::expected(prompt, 20, 2));
  CHECK(setting.engine.may_join(Setting::greedy(prompt, 20)));
  const RequestId plain = *setting.engine.submit(Setting::greedy(prompt, 20));
  CHECK(setting.run().at(plain).tokens == Setting::expected(prompt, 20));
  Request wrong = ask(1);
  wrong.adapter_scales.push_back(1);
  CHECK_FALSE(setting.engine.check(wrong).has_value());
}
