#include "measure/speculation_bench.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/ngram_drafter.h"
#include "engine/test_tokenizer.h"
#include "model/fake.h"

using namespace issun;
using namespace issun::measure;

namespace {

cache::PagedKv cache_of_256() {
  return *cache::PagedKv::create(model::FakeDecoder::kv_shape(), 256, 1);
}

Result<engine::Request> ask_for_50(const std::string& text) {
  engine::Request request;
  request.prompt = {1, 3 + text[0] - 'x', 5};
  request.max_tokens = 50;
  request.sampling.temperature = 0;
  request.ignore_end = true;
  return request;
}

// The fake model, that says something else from some run on.
class Changing final : public model::Decoder {
 public:
  explicit Changing(int from) : fake_(29, 16, 1, 7, 1), from_(from) {}
  int vocabulary_size() const override { return fake_.vocabulary_size(); }
  int max_rows() const override { return fake_.max_rows(); }
  int max_sequences() const override { return fake_.max_sequences(); }
  int max_outputs() const override { return fake_.max_outputs(); }
  int64_t context() const override { return fake_.context(); }
  Result<Matrix<const float>> run(const model::Batch& batch, cache::PagedKv& cache) override {
    const float scale = 2;
    if (fake_.runs() == from_) fake_.scale_adapters({&scale, 1});
    return fake_.run(batch, cache);
  }

 private:
  model::FakeDecoder fake_;
  int from_;
};

}  // namespace

TEST_CASE("Prompts are lines of text, or of JSON as they were published") {
  const auto prompts = parse_speculation_prompts(
      "Why?\r\n\n \t \r\n{\"question_id\": 81, \"category\": \"writing\", \"turns\": "
      "[\"Compose.\", "
      "\"More.\"]}\n"
      "{\"prompt\": \"Go on.\"}\n{\"text\": \"A\", \"category\": 3}",
      "p");
  REQUIRE(prompts.has_value());
  REQUIRE(prompts->size() == 4);
  CHECK((*prompts)[0].text == "Why?");
  CHECK((*prompts)[1].text == "Compose.");
  CHECK((*prompts)[1].category == "writing");
  CHECK((*prompts)[2].text == "Go on.");
  CHECK((*prompts)[3].category.empty());
  for (const char* wrong :
       {"", "\n\n", "  \n", "a\n{\"id\": 1}\n", "{\"turns\": []}", "{broken", "{\"text\": \"\"}"})
    CHECK(!parse_speculation_prompts(wrong, "p").has_value());
  CHECK(
      parse_speculation_prompts("a\n{\"id\": 1}\n", "p").error().message.starts_with("p: line 2:"));
}

TEST_CASE("Rows are timed in batches of their numbers, and the cache is empty again") {
  model::FakeDecoder decoder(29, 16, 1, 7);
  auto cache = *cache::PagedKv::create(model::FakeDecoder::kv_shape(), 128, 1);
  const auto costs = row_costs(decoder, cache, 20, {1, 4, 8}, 3);
  REQUIRE(costs.has_value());
  REQUIRE(costs->size() == 3);
  CHECK((*costs)[2].rows == 8);
  CHECK((*costs)[2].seconds > 0);
  CHECK(decoder.rows_run() == 20 + 4 * (1 + 4 + 8));
  CHECK(cache.free_pages() == cache.page_count());
  for (const RowCost& cost : *costs) CHECK(cost.least_alone == 0);  // it would be the same
  CHECK(!row_costs(decoder, cache, 20, {9}, 1).has_value());
  CHECK(!row_costs(decoder, cache, 128, {1}, 1).has_value());
  CHECK(row_cost_table(*costs).find("beside one row") != std::string::npos);
  decoder.compute_alike_up_to(2);
  const auto both = row_costs(decoder, cache, 20, {1, 2, 4, 8}, 1);
  REQUIRE(both.has_value());
  // Four rows have other bits than one; eight are more than guesses beside one text ever are.
  for (const RowCost& cost : *both) CHECK((cost.least_alone > 0) == (cost.rows == 4));
}

TEST_CASE("Answers with and without are written in turn and compared, by category and together") {
  const auto tokenizer = engine::test_tokenizer();
  model::FakeDecoder decoder(29, 16, 1, 7);
  engine::EngineOptions options{.context = 256, .prompt_rows = 16};
  engine::Engine without(decoder, tokenizer, cache_of_256(), options);
  options.speculation = {.drafter = std::make_shared<engine::NgramDrafter>(1, 2), .adapt = false};
  engine::Engine with(decoder, tokenizer, cache_of_256(), options);
  int told = 0;
  const auto times = compare_speculation(without, with, {{"x", "one"}, {"y", "two"}, {"z", "one"}},
                                         3, ask_for_50, [&](int n) { told = n; });
  REQUIRE(times.has_value());
  REQUIRE(times->size() == 3);
  CHECK(told == 3);
  CHECK((*times)[0].category == "one");
  CHECK((*times)[0].prompts == 2);
  const SpeculationTimes& all = times->back();
  CHECK(all.category == "all");
  CHECK(all.prompts == 3);
  CHECK(all.same == 3);
  CHECK(all.tokens == 3 * 49);
  CHECK(all.with.size() == 3);
  CHECK(all.least_with > 0);
  CHECK(all.least_with <= *std::min_element(all.with.begin(), all.with.end()));
  CHECK(all.drafted > 0);
  CHECK(all.steps == all.tokens - all.accepted);  // each answer ends as it was long enough
  CHECK(all.tokens_a_step() == doctest::Approx(147.0 / static_cast<double>(all.steps)));
  CHECK(all.drafted == (*times)[0].drafted + (*times)[1].drafted);
  CHECK(to_json(all)["ratio"].get<double>() > 0);
  CHECK(speculation_table(*times).find("two") != std::string::npos);
}

TEST_CASE("Answers to a prompt are the same only where they are in every round") {
  const auto tokenizer = engine::test_tokenizer();
  const auto same = [&](int from) {
    model::FakeDecoder decoder(29, 16, 1, 7);
    Changing changing(from);
    const engine::EngineOptions options{.context = 256, .prompt_rows = 16};
    engine::Engine without(decoder, tokenizer, cache_of_256(), options);
    engine::Engine with(changing, tokenizer, cache_of_256(), options);
    return compare_speculation(without, with, {{"x", ""}}, 3, ask_for_50, [](int) {})->back().same;
  };
  CHECK(same(1000) == 1);
  for (const int run : {10, 60, 120}) CHECK(same(run) == 0);  // of rounds of 50 runs
}
