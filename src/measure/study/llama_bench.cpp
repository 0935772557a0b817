#include "measure/study/llama_bench.h"

#include <utility>

namespace issun::measure {

namespace {

void replace(std::string& text, std::string_view place, int number) {
  for (size_t at = text.find(place); at != std::string::npos; at = text.find(place, at))
    text.replace(at, place.size(), std::to_string(number));
}

std::string fact(const Json& value) {
  if (value.is_string()) return value.text();
  return value.is_integer() ? std::to_string(value.integer()) : "";
}

Result<void> take(const Json& test, StudyRecord& record) {
  const Json &prompt = test["n_prompt"], &generated = test["n_gen"], &rate = test["avg_ts"];
  if (!prompt.is_integer() || !generated.is_integer() || !rate.is_number())
    return fail("expected n_prompt, n_gen and avg_ts in every test");
  const bool reads = prompt.integer() > 0, writes = generated.integer() > 0;
  if (reads == writes)
    return fail("expected tests of a prompt or of generation, found one of both or neither");
  const std::string kind = reads ? "prompt" : "generation";
  if (!record.metrics.emplace(kind + "_tokens_per_second", measured(rate.number())).second)
    return fail("expected one test of {} at most, found more", kind);
  record.metrics[reads ? "prompt_tokens" : "generated_tokens"] =
      measured(static_cast<double>(reads ? prompt.integer() : generated.integer()));
  for (const char* key :
       {"model_filename", "build_commit", "n_threads", "type_k", "type_v", "n_depth"}) {
    if (std::string value = fact(test[key]); !value.empty()) record.facts[key] = std::move(value);
  }
  return {};
}

}  // namespace

std::string fill_in(std::string command, int context, int threads, int generate) {
  replace(command, "{prompt}", context - generate);
  replace(command, "{generate}", generate);
  replace(command, "{context}", context);
  replace(command, "{threads}", threads);
  return command;
}

Result<StudyRecord> read_llama_bench(std::string_view output) {
  const size_t begin = output.find('[');
  const Json tests =
      begin == std::string_view::npos ? Json() : TRY(Json::parse(output.substr(begin)));
  if (!tests.is_array() || tests.items().empty())
    return fail("expected an array of tests as llama-bench -o json prints it");
  StudyRecord record;
  for (const Json& test : tests.items()) TRY(take(test, record));
  return record;
}

}  // namespace issun::measure
