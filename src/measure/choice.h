// Tasks of choice: which of several endings a model finds the likeliest. docs/evaluation.md is the
// definition.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "measure/continuation.h"
#include "measure/statistics.h"

namespace issun::measure {

struct Question {
  std::string context;               // what stands before each choice
  std::vector<std::string> choices;  // at least two, as they follow it: a blank in front counts
  int label = 0;                     // the right one
};

enum class QuestionFormat { JCommonsenseQa, Jnli, HellaSwag, Generic };
std::optional<QuestionFormat> question_format(std::string_view name);

// Of JSON lines in the format as it was published. Error: path, line and what is missing.
Result<std::vector<Question>> read_questions(std::string_view text, const std::string& path,
                                             QuestionFormat format);

struct ChoiceResult {
  int label = 0, chosen = 0, chosen_by_byte = 0;
  std::vector<double> log_likelihoods;  // in nats, one a choice
};
// The likeliest choice, and the likeliest by the byte of its text (the first of equals). Error: as
// encode_continuations and ContinuationScorer::score.
Result<ChoiceResult> answer(const Question& question, const tokenizer::Tokenizer& tokenizer,
                            ContinuationScorer& scorer);
nlohmann::ordered_json to_json(const ChoiceResult& result);
Result<ChoiceResult> choice_result(const Json& json);

struct ChoiceSummary {
  Share accuracy, accuracy_by_byte;
  double chance = 0;  // of one who guesses
};
// results: at least one.
ChoiceSummary summarise(const std::vector<ChoiceResult>& results);
nlohmann::ordered_json to_json(const ChoiceSummary& summary);

}  // namespace issun::measure
