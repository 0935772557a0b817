#include "measure/continuation.h"

#include <algorithm>
#include <cmath>

#include "measure/perplexity.h"

namespace issun::measure {

namespace {

Result<std::vector<int32_t>> encode(const tokenizer::Tokenizer& tokenizer, std::string_view text) {
  std::vector<int32_t> tokens =
      TRY(tokenizer.encode(text, {.add_special = false, .parse_special = false}));
  if (tokenizer.adds_bos()) tokens.insert(tokens.begin(), tokenizer.bos());
  return tokens;
}

}  // namespace

Result<Continuations> encode_continuations(const tokenizer::Tokenizer& tokenizer,
                                           std::string_view context,
                                           std::span<const std::string> endings) {
  const std::vector<int32_t> before = TRY(encode(tokenizer, context));
  Continuations result;
  result.shared = before.size();
  for (const std::string& ending : endings) {
    std::vector<int32_t> text = TRY(encode(tokenizer, std::string(context) + ending));
    const auto differs = std::mismatch(before.begin(), before.end(), text.begin(), text.end());
    result.shared = std::min(result.shared, static_cast<size_t>(differs.first - before.begin()));
    result.texts.push_back(std::move(text));
  }
  if (result.shared == 0) return fail("context: expected at least one token before what follows");
  for (const std::vector<int32_t>& text : result.texts) {
    if (text.size() == result.shared)
      return fail("choice: expected at least one token, found none");
  }
  return result;
}

ContinuationScorer::ContinuationScorer(model::Decoder& decoder, cache::PagedKv& cache)
    : decoder_(decoder),
      sequence_(decoder, cache),
      first_(static_cast<size_t>(decoder.vocabulary_size())) {}

Result<std::vector<Score>> ContinuationScorer::score(const Continuations& continuations) {
  for (const auto& text : continuations.texts) {
    CHECK_THAT(continuations.shared >= 1 && text.size() > continuations.shared);
    TRY(expect_tokens_below(decoder_.vocabulary_size(), text));
    // The last token is read by nobody.
    if (std::ssize(text) - 1 > decoder_.context()) {
      return fail("expected at most {} tokens (--ctx-size), found {}", decoder_.context() + 1,
                  text.size());
    }
  }
  std::vector<Score> scores;
  if (continuations.texts.empty()) return scores;
  TRY(read_shared(std::span(continuations.texts[0]).first(continuations.shared)));
  for (const auto& text : continuations.texts)
    scores.push_back(TRY(score_one(text, static_cast<int>(continuations.shared))));
  return scores;
}

Result<void> ContinuationScorer::read_shared(std::span<const int32_t> tokens) {
  sequence_.truncate(0);
  while (!tokens.empty()) {
    const size_t count = std::min(tokens.size(), static_cast<size_t>(decoder_.max_rows()));
    const bool last = count == tokens.size();
    const auto logits = TRY(
        sequence_.append(tokens.first(count), last ? model::Wanted::Last : model::Wanted::None));
    if (last) std::copy_n(logits.row(0), first_.size(), first_.begin());
    tokens = tokens.subspan(count);
  }
  sequence_.keep();
  return {};
}

Result<Score> ContinuationScorer::score_one(std::span<const int32_t> text, int shared) {
  Score score;
  TRY(add(first_, text[static_cast<size_t>(shared)], &score));
  const int rows = rows_at_a_time(decoder_), end = static_cast<int>(text.size()) - 1;
  for (int t = shared; t < end; t += rows) {
    const int count = std::min(rows, end - t);
    const auto logits = TRY(sequence_.append(
        text.subspan(static_cast<size_t>(t), static_cast<size_t>(count)), model::Wanted::All));
    for (int r = 0; r < count; ++r)
      TRY(add({logits.row(r), first_.size()}, text[static_cast<size_t>(t + r + 1)], &score));
  }
  sequence_.truncate(shared);
  return score;
}

Result<void> ContinuationScorer::add(std::span<const float> logits, int32_t target,
                                     Score* score) const {
  const double surprise = negative_log_likelihood(logits, target);
  if (!std::isfinite(surprise)) return fail("expected numbers as logits, found others");
  score->log_likelihood -= surprise;
  ++score->tokens;
  const auto top = std::max_element(logits.begin(), logits.end()) - logits.begin();
  score->greedy = score->greedy && top == target;
  return {};
}

}  // namespace issun::measure
