#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "engine/test_tokenizer.h"
#include "measure/choice.h"
#include "measure/code_task.h"
#include "measure/last_word.h"
#include "model/fake.h"
#include "shared_data.h"

using namespace issun;
using namespace issun::measure;

namespace {

std::vector<Question> questions(const char* text, QuestionFormat format) {
  auto result = read_questions(text, "file", format);
  REQUIRE_MESSAGE(result.has_value(), result.error().message);
  return std::move(*result);
}

std::string refusal(const char* text, QuestionFormat format) {
  const auto result = read_questions(text, "file", format);
  REQUIRE_FALSE(result.has_value());
  return result.error().message;
}

std::string read_text_of(const std::string& relative) {
  const std::vector<std::byte> bytes = read_shared(relative);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

TEST_CASE("questions are read as each data set publishes them") {
  const auto common = questions(
      "{\"q_id\": 1, \"question\": \"空は?\", \"choice0\": \"青\", \"choice1\": \"赤\", "
      "\"choice2\": \"緑\", \"choice3\": \"黒\", \"choice4\": \"白\", \"label\": 3}",
      QuestionFormat::JCommonsenseQa);
  CHECK(common[0].context == "質問：空は?\n答え：");
  CHECK(common[0].choices == std::vector<std::string>{"青", "赤", "緑", "黒", "白"});
  CHECK(common[0].label == 3);

  const auto inference = questions(
      "{\"sentence1\": \"甲\", \"sentence2\": \"乙\", \"label\": \"neutral\"}\n"
      "{\"sentence1\": \"甲\", \"sentence2\": \"乙\", \"label\": \"entailment\"}\n",
      QuestionFormat::Jnli);
  CHECK(inference[0].context == "前提：甲\n仮説：乙\n関係：");
  CHECK(inference[0].choices[static_cast<size_t>(inference[0].label)] == "中立");
  CHECK(inference[1].choices[static_cast<size_t>(inference[1].label)] == "含意");

  // Made up, in the form of the published file.
  const auto endings = questions(
      "{\"ind\": 4, \"activity_label\": \"Cooking\", \"ctx_a\": \"A man\", \"ctx_b\": \"he\", "
      "\"ctx\": \"A man cooks. he\", \"endings\": [\"eats.\", \"flies.\", \"sings.\", \"melts.\"], "
      "\"label\": \"2\", \"split\": \"val\"}\n"
      "{\"ctx\": \"x\", \"endings\": [\"a\", \"b\"], \"label\": 1}",
      QuestionFormat::HellaSwag);
  CHECK(endings[0].context == "A man cooks. he");
  CHECK(endings[0].choices[1] == " flies.");
  CHECK(endings[0].label == 2);
  CHECK(endings[1].label == 1);

  const auto generic =
      questions("{\"context\": \"1+1=\", \"choices\": [\"2\", \"3\"], \"label\": 0}",
                QuestionFormat::Generic);
  CHECK(generic[0].context == "1+1=");
}

TEST_CASE("questions that lack something are refused with the line and what is missing") {
  CHECK(refusal("", QuestionFormat::Generic) == "file: expected at least one question, found none");
  CHECK(refusal("{\"context\": \"a\", \"choices\": [\"x\"], \"label\": 0}", QuestionFormat::Generic)
            .find("file:1: expected at least two choices") == 0);
  CHECK(refusal("{\"context\": \"a\", \"choices\": [\"x\", \"\"], \"label\": 0}",
                QuestionFormat::Generic)
            .find("not empty") != std::string::npos);
  CHECK(refusal("{\"context\": \"a\", \"choices\": [\"x\", \"y\"], \"label\": 2}",
                QuestionFormat::Generic)
            .find("from 0 to 1, found 2") != std::string::npos);
  CHECK(refusal("{\"context\": \"a\", \"choices\": [\"x\", 3], \"label\": 1}",
                QuestionFormat::Generic)
            .find("texts in \"choices\"") != std::string::npos);
  CHECK(refusal("{\"ctx\": \"a\", \"endings\": [\"x\", \"y\"], \"label\": \"\"}",
                QuestionFormat::HellaSwag)
            .find("\"label\"") != std::string::npos);
  CHECK(refusal("{\"sentence1\": \"a\", \"sentence2\": \"b\", \"label\": \"yes\"}",
                QuestionFormat::Jnli)
            .find("entailment, contradiction or neutral") != std::string::npos);
  CHECK(refusal("{\"question\": \"a\", \"choice0\": \"x\", \"label\": 0}",
                QuestionFormat::JCommonsenseQa)
            .find("choice1") != std::string::npos);
}

TEST_CASE("the published files are read whole") {
  if (!have_shared("data/eval/jglue")) return;
  CHECK(questions(read_text_of("data/eval/jglue/jcommonsenseqa-v1.3/valid-v1.3.json").c_str(),
                  QuestionFormat::JCommonsenseQa)
            .size() == 1119);
  CHECK(questions(read_text_of("data/eval/jglue/jnli-v1.3/valid-v1.3.json").c_str(),
                  QuestionFormat::Jnli)
            .size() == 2434);
  const auto passages = read_passages(read_text_of("data/eval/lambada/lambada_test.jsonl"), "file");
  REQUIRE(passages.has_value());
  CHECK(passages->size() == 5153);
  for (const Passage& passage : *passages) CHECK(passage.ending.front() <= ' ');
}

TEST_CASE("the last word of a passage stands behind its last blank") {
  const auto passages = read_passages("{\"text\": \"one two\\nthree \\n\"}", "file");
  REQUIRE(passages.has_value());
  CHECK((*passages)[0].context == "one two");
  CHECK((*passages)[0].ending == "\nthree");
  for (const char* text :
       {"{\"text\": \"word\"}", "{\"text\": \" word \"}", "{\"text\": \"\"}", "{}"})
    CHECK_FALSE(read_passages(text, "file").has_value());
}

TEST_CASE("figures of choices and words follow from their results, also from a file") {
  std::vector<ChoiceResult> results = {{0, 0, 1, {-1, -2}}, {1, 0, 1, {-1, -2, -3, -4}}};
  const ChoiceSummary summary = summarise(results);
  CHECK(summary.accuracy.hits == 1);
  CHECK(summary.accuracy_by_byte.hits == 1);
  CHECK(summary.chance == doctest::Approx(0.375));
  const auto back = choice_result(*Json::parse(to_json(results[1]).dump()));
  REQUIRE(back.has_value());
  CHECK(back->log_likelihoods == results[1].log_likelihoods);
  CHECK(back->chosen_by_byte == 1);
  CHECK_FALSE(choice_result(*Json::parse("{\"label\": 5}")).has_value());

  const LastWordSummary words =
      summarise(std::vector<LastWordResult>{{-1, 2, true}, {-3, 1, false}});
  CHECK(words.accuracy.value == 0.5);
  CHECK(words.perplexity.value == doctest::Approx(std::exp(2.0)));
  CHECK(words.tokens == 3);
  CHECK_FALSE(
      last_word_result(*Json::parse("{\"log_likelihood\": -1, \"tokens\": 2}")).has_value());
}

TEST_CASE("code is completed greedily and passes only if its tests came to their end") {
  const tokenizer::Tokenizer tokenizer = engine::test_tokenizer();
  model::FakeDecoder decoder(engine::kTestVocabulary, 16, 8);
  auto cache = cache::PagedKv::create(model::FakeDecoder::kv_shape(), 64);
  REQUIRE(cache.has_value());
  engine::Engine engine(decoder, tokenizer, std::move(*cache), {.context = 64, .prompt_rows = 16});
  Problem problem{"T/0", "abc", "", "", "f"};
  const auto completion = complete(problem, tokenizer, engine, 5);
  REQUIRE_MESSAGE(completion.has_value(), completion.error().message);
  std::vector<int32_t> history = *tokenizer.encode("abc");
  std::string expected;
  for (int i = 0; i < 5; ++i) {
    history.push_back(model::FakeDecoder::next(history, engine::kTestVocabulary));
    if (tokenizer.is_end(history.back())) break;
    tokenizer.append_piece(history.back(), false, expected);
  }
  CHECK(*completion == expected);
}

TEST_CASE("a program is judged in the sandbox") {
  const auto python = find_in_sandbox("python3");
  if (!python || !expect_sandbox(*python, {})) {
    MESSAGE("skipped: no python3 or no sandbox here");
    return;
  }
  SandboxLimits limits;
  limits.wall_seconds = 60;
  const Problem problem{"T/1", "def twice(x):\n", "    return 2 * x\n",
                        "def check(candidate):\n    assert candidate(3) == 6\n", "twice"};
  const auto outcome = [&](const char* completion) {
    const auto result = judge(problem, completion, *python, limits);
    REQUIRE_MESSAGE(result.has_value(), result.error().message);
    CHECK(result->passed == (result->outcome == "passed"));
    CHECK(code_result(*Json::parse(to_json(*result).dump()))->outcome == result->outcome);
    return result->outcome;
  };
  CHECK(outcome("    return 2 * x\n") == "passed");
  CHECK(outcome("    return x\n") == "failed");
  CHECK(outcome("    return 2 *\n") == "failed");
  CHECK(outcome("    return 2 * x\nimport os\nos._exit(0)\n") == "failed");
  CHECK(outcome("    import os, signal\n    os.kill(os.getpid(), 9)\n") == "killed by signal 9");
  limits.wall_seconds = 1;
  CHECK(outcome("    while True: pass\n") == "time was up");
}
