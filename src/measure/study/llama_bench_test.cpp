#include "measure/study/llama_bench.h"

#include <doctest/doctest.h>

using namespace issun::measure;

TEST_CASE("prompt and generation are read from two tests") {
  const auto record = read_llama_bench(
      "note\n[{\"n_prompt\": 480, \"n_gen\": 0, \"avg_ts\": 123.5, \"build_commit\": \"abc\", "
      "\"type_k\": \"f16\"}, {\"n_prompt\": 0, \"n_gen\": 32, \"avg_ts\": 12.25, \"n_threads\": "
      "2}]\n");
  REQUIRE(record.has_value());
  CHECK(value_of(record->metrics, "prompt_tokens_per_second") == 123.5);
  CHECK(value_of(record->metrics, "generation_tokens_per_second") == 12.25);
  CHECK(value_of(record->metrics, "prompt_tokens") == 480);
  CHECK(value_of(record->metrics, "generated_tokens") == 32);
  CHECK(record->facts.at("build_commit") == "abc");
  CHECK(record->facts.at("n_threads") == "2");
}

TEST_CASE("output that is none is an error") {
  for (const char* bad :
       {"", "no", "[]", "[{}]", "[{\"n_prompt\": 1, \"n_gen\": 1, \"avg_ts\": 1}]",
        "[{\"n_prompt\": 1, \"n_gen\": 0, \"avg_ts\": \"1\"}]", "[{\"n_prompt\": 1",
        "[{\"n_prompt\":1,\"n_gen\":0,\"avg_ts\":1},{\"n_prompt\":2,\"n_gen\":0,\"avg_ts\":1}]"}) {
    CAPTURE(bad);
    CHECK_FALSE(read_llama_bench(bad).has_value());
  }
}

TEST_CASE("places in a command are filled in") {
  CHECK(fill_in("b -p {prompt} -n {generate} -t {threads} -d {context} {x}", 512, 2, 32) ==
        "b -p 480 -n 32 -t 2 -d 512 {x}");
}
