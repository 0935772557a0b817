// LAMBADA (Paperno et al. 2016): the last word of a passage that only the whole passage tells.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "measure/continuation.h"
#include "measure/statistics.h"

namespace issun::measure {

struct Passage {
  std::string context, ending;  // the ending: the blank before the last word, and the word
};

// Of JSON lines {"text": ...}; blanks at the end of a text do not count. Error: path, line, and
// what is missing; a text of one word.
Result<std::vector<Passage>> read_passages(std::string_view text, const std::string& path);

struct LastWordResult {
  double log_likelihood = 0;  // of all tokens of the word, in nats
  int tokens = 0;
  bool right = false;  // each of them was the likeliest, as if the model had written the word
};
Result<LastWordResult> guess(const Passage& passage, const tokenizer::Tokenizer& tokenizer,
                             ContinuationScorer& scorer);
nlohmann::ordered_json to_json(const LastWordResult& result);
Result<LastWordResult> last_word_result(const Json& json);

struct LastWordSummary {
  Share accuracy;
  Estimate perplexity;  // exp of the mean of -ln p(word)
  int64_t tokens = 0;
};
// results: at least one.
LastWordSummary summarise(const std::vector<LastWordResult>& results);
nlohmann::ordered_json to_json(const LastWordSummary& summary);

}  // namespace issun::measure
