#include "measure/last_word.h"

#include <array>
#include <nlohmann/json.hpp>

#include "measure/json_lines.h"

namespace issun::measure {

Result<std::vector<Passage>> read_passages(std::string_view text, const std::string& path) {
  constexpr std::string_view kBlanks = " \t\r\n";
  std::vector<Passage> passages;
  TRY(for_each_json_line(text, path, [&](const Json& object) -> Result<void> {
    std::string passage = TRY(text_of(object, "text"));
    passage.resize(passage.find_last_not_of(kBlanks) + 1);
    const size_t blank = passage.find_last_of(kBlanks);
    if (blank == std::string::npos || passage.find_first_not_of(kBlanks) > blank)
      return fail("expected a \"text\" of at least two words");
    passages.push_back({passage.substr(0, blank), passage.substr(blank)});
    return {};
  }));
  if (passages.empty()) return fail("{}: expected at least one passage, found none", path);
  return passages;
}

Result<LastWordResult> guess(const Passage& passage, const tokenizer::Tokenizer& tokenizer,
                             ContinuationScorer& scorer) {
  const std::array<std::string, 1> endings = {passage.ending};
  const Score score =
      TRY(scorer.score(TRY(encode_continuations(tokenizer, passage.context, endings))))[0];
  return LastWordResult{score.log_likelihood, score.tokens, score.greedy};
}

nlohmann::ordered_json to_json(const LastWordResult& result) {
  return {{"log_likelihood", result.log_likelihood},
          {"tokens", result.tokens},
          {"right", result.right}};
}

Result<LastWordResult> last_word_result(const Json& json) {
  return LastWordResult{TRY(number_of(json, "log_likelihood")),
                        static_cast<int>(TRY(integer_of(json, "tokens"))),
                        TRY(boolean_of(json, "right"))};
}

LastWordSummary summarise(const std::vector<LastWordResult>& results) {
  const int64_t count = std::ssize(results);
  int64_t right = 0;
  LastWordSummary summary;
  for (const LastWordResult& result : results) {
    right += result.right;
    summary.tokens += result.tokens;
  }
  summary.accuracy = wilson(right, count);
  summary.perplexity = exponential(
      estimate(count, [&](int64_t i) { return -results[static_cast<size_t>(i)].log_likelihood; }));
  return summary;
}

nlohmann::ordered_json to_json(const LastWordSummary& summary) {
  return {{"accuracy", to_json(summary.accuracy)},
          {"perplexity_per_word", summary.perplexity.value},
          {"perplexity_per_word_standard_error", summary.perplexity.error},
          {"word_tokens", summary.tokens}};
}

}  // namespace issun::measure
