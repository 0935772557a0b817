#include "measure/bench_against.h"

#include <doctest/doctest.h>

#include "contains.h"

using namespace issun;
using namespace issun::measure;

namespace {

const std::vector<BenchCase> kCases = {{Phase::Prompt, 512, 0}, {Phase::Generation, 128, 0}};

}  // namespace

TEST_CASE("Rates are read as llama-bench prints them, whatever comes before and in any order") {
  const auto rates = read_rates(R"(warning: something
[ {"n_prompt": 0, "n_gen": 128, "avg_ts": 20.5},
  {"n_prompt": 512, "n_gen": 0, "n_depth": 0, "avg_ts": 100} ])",
                                kCases);
  REQUIRE(rates.has_value());
  CHECK(*rates == std::vector<double>{100, 20.5});
}

TEST_CASE("Rates are read as issun prints them") {
  const auto rates = read_rates(
      R"({"phase": "prompt", "tokens": 512, "depth": 0, "tokens_per_second": {"median": 300.5}}
{"phase": "generation", "tokens": 128, "depth": 0, "tokens_per_second": {"median": 40}}
)",
      kCases);
  REQUIRE(rates.has_value());
  CHECK(*rates == std::vector<double>{300.5, 40});
}

TEST_CASE("A case that the other program does not tell of is an error that names it") {
  for (const char* output :
       {R"([{"n_prompt": 512, "n_gen": 0, "avg_ts": 100}])",
        R"([{"n_prompt": 512, "n_gen": 0, "avg_ts": 1},
            {"n_prompt": 0, "n_gen": 128, "n_depth": 64, "avg_ts": 1}])",
        R"([{"n_prompt": 512, "n_gen": 0, "avg_ts": 1}, {"n_prompt": 0, "n_gen": 128}])"}) {
    const auto rates = read_rates(output, kCases);
    REQUIRE_FALSE(rates.has_value());
    CHECK(contains(rates.error().message, "tg128"));
  }
  for (const char* output : {"", "no figures", "[", "{\"phase\": "})
    CHECK_FALSE(read_rates(output, kCases).has_value());
}

TEST_CASE("Each kind of program gets its own flags") {
  AgainstOptions options{.command = "/opt/llama-bench -fa 1",
                         .model_path = "it's.gguf",
                         .cases = {{Phase::Prompt, 512, 0},
                                   {Phase::Generation, 128, 0},
                                   {Phase::Prompt, 512, 4096},
                                   {Phase::Generation, 128, 4096}},
                         .threads = 2,
                         .key_type = "Q8_0",
                         .more = {}};
  CHECK(full_command(options) ==
        "exec /opt/llama-bench -fa 1 -m 'it'\\''s.gguf' -p 512 -n 128 -t 2 -r 1 -o json -d 0,4096 "
        "-ctk q8_0");
  options.command = "build/issun";
  options.cases = {{Phase::Generation, 16, 0}};
  options.cases.push_back({Phase::Generation, 16, 0, 8});
  CHECK(contains(full_command(options), " --sequences 1,8"));
  options.cases.pop_back();
  options.more = {"--exact"};
  CHECK(
      full_command(options) ==
      "exec build/issun bench -m 'it'\\''s.gguf' -p 0 -n 16 -t 2 -r 1 --json -ctk q8_0 '--exact'");
}

TEST_CASE("Another issun is known by the last word of its command") {
  CHECK(is_issun("issun"));
  CHECK(is_issun("taskset -c 0 /old/bin/issun-1.2 "));
  CHECK_FALSE(is_issun("llama-bench"));
  CHECK_FALSE(is_issun("/home/issun/llama-bench -fa 1"));
}

TEST_CASE("Ratios are of medians, and of each round with its neighbour") {
  const Versus versus{{Phase::Prompt, 8, 0}, {10, 30, 20}, {10, 10, 5}};
  CHECK(versus.ratio() == doctest::Approx(2));
  CHECK(versus.least_ratio() == doctest::Approx(1));
  CHECK(versus.greatest_ratio() == doctest::Approx(4));
}
