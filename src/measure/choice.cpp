#include "measure/choice.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "measure/json_lines.h"

namespace issun::measure {

namespace {
int place_of_most(const std::vector<double>& values) {
  return static_cast<int>(std::max_element(values.begin(), values.end()) - values.begin());
}
}  // namespace

Result<ChoiceResult> answer(const Question& question, const tokenizer::Tokenizer& tokenizer,
                            ContinuationScorer& scorer) {
  const Continuations continuations =
      TRY(encode_continuations(tokenizer, question.context, question.choices));
  ChoiceResult result;
  result.label = question.label;
  std::vector<double> by_byte;
  for (const Score& score : TRY(scorer.score(continuations))) {
    const std::string& choice = question.choices[result.log_likelihoods.size()];
    by_byte.push_back(score.log_likelihood / static_cast<double>(choice.size()));
    result.log_likelihoods.push_back(score.log_likelihood);
  }
  result.chosen = place_of_most(result.log_likelihoods);
  result.chosen_by_byte = place_of_most(by_byte);
  return result;
}

nlohmann::ordered_json to_json(const ChoiceResult& result) {
  return {{"label", result.label},
          {"chosen", result.chosen},
          {"chosen_by_byte", result.chosen_by_byte},
          {"log_likelihoods", result.log_likelihoods}};
}

Result<ChoiceResult> choice_result(const Json& json) {
  ChoiceResult result;
  const auto small = [&](const char* key) -> Result<int> {
    const int64_t number = TRY(integer_of(json, key));
    const int64_t choices = std::ssize(json["log_likelihoods"].items());
    if (number < 0 || number >= choices) return fail("expected a choice as \"{}\"", key);
    return static_cast<int>(number);
  };
  result.label = TRY(small("label"));
  result.chosen = TRY(small("chosen"));
  result.chosen_by_byte = TRY(small("chosen_by_byte"));
  for (const Json& value : json["log_likelihoods"].items()) {
    if (!value.is_number()) return fail("expected numbers in \"log_likelihoods\"");
    result.log_likelihoods.push_back(value.number());
  }
  return result;
}

ChoiceSummary summarise(const std::vector<ChoiceResult>& results) {
  int64_t right = 0, right_by_byte = 0;
  double chance = 0;
  for (const ChoiceResult& result : results) {
    right += result.chosen == result.label;
    right_by_byte += result.chosen_by_byte == result.label;
    chance += 1.0 / static_cast<double>(result.log_likelihoods.size());
  }
  const int64_t count = std::ssize(results);
  return {wilson(right, count), wilson(right_by_byte, count), chance / static_cast<double>(count)};
}

nlohmann::ordered_json to_json(const ChoiceSummary& summary) {
  return {{"accuracy", to_json(summary.accuracy)},
          {"accuracy_by_byte", to_json(summary.accuracy_by_byte)},
          {"chance", summary.chance}};
}

}  // namespace issun::measure
