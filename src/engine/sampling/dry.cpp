#include "engine/sampling/dry.h"

#include <algorithm>
#include <cmath>

#include "engine/sampling/penalties.h"

namespace issun::engine {

namespace {
// Of a breaker's text beyond the token it begins in, so many tokens are looked at.
constexpr size_t kLongestTail = 20;
// Far from where adding to a logit stops being a number.
constexpr double kLargestPenalty = 1e30;
}  // namespace

Result<SequenceBreakers> SequenceBreakers::create(const tokenizer::Tokenizer& tokenizer,
                                                  const std::vector<std::string>& texts) {
  SequenceBreakers breakers;
  std::string piece;
  for (int32_t token = 0; token < tokenizer.vocabulary_size(); ++token) {
    piece.clear();
    tokenizer.append_piece(token, true, piece);
    for (const std::string& text : texts) {
      if (piece.find(text) != std::string::npos) {
        breakers.tails_.emplace(token, std::vector<int32_t>());
        continue;
      }
      // The breaker may begin at the end of this token and go on in others.
      for (size_t kept = std::min(piece.size(), text.size() - 1); kept > 0; --kept) {
        if (!piece.ends_with(std::string_view(text).substr(0, kept))) continue;
        auto tail = TRY(tokenizer.encode(std::string_view(text).substr(kept),
                                         {.add_special = false, .parse_special = false}));
        tail.resize(std::min(tail.size(), kLongestTail));
        breakers.tails_.emplace(token, std::move(tail));
      }
    }
  }
  return breakers;
}

size_t SequenceBreakers::tokens_behind_last(std::span<const int32_t> tokens) const {
  for (size_t behind = 0; behind < tokens.size(); ++behind) {
    const auto [first, last] = tails_.equal_range(tokens[tokens.size() - 1 - behind]);
    size_t longest = 0;
    bool found = false;
    for (auto it = first; it != last; ++it) {
      const std::vector<int32_t>& tail = it->second;
      const std::span<const int32_t> after = tokens.last(behind);
      if (tail.size() > after.size() || !std::equal(tail.begin(), tail.end(), after.begin()))
        continue;
      found = true;
      longest = std::max(longest, tail.size());
    }
    if (found) return behind - longest;
  }
  return tokens.size();
}

void common_endings(std::span<const int32_t> tokens, std::vector<int32_t>& z) {
  const auto size = static_cast<int32_t>(tokens.size());
  const auto back = [&](int32_t i) { return tokens[static_cast<size_t>(size - 1 - i)]; };
  z.resize(tokens.size());
  int32_t left = 0, right = 0;  // the stretch that reaches furthest of those known to be common
  for (int32_t k = 1; k < size; ++k) {
    int32_t common = k < right ? std::min(right - k, z[static_cast<size_t>(k - left)]) : 0;
    while (k + common < size && back(common) == back(k + common)) ++common;
    z[static_cast<size_t>(k)] = common;
    if (k + common > right) left = k, right = k + common;
  }
}

void Dry::penalise(Candidates& candidates, const SamplerOptions& options,
                   std::span<const int32_t> history, std::span<int32_t> marks) {
  if (options.dry_multiplier == 0) return;
  const std::span<const int32_t> tokens = recent(history, options.dry_penalty_last_n);
  const auto longest = static_cast<int32_t>(
      breakers_ != nullptr ? breakers_->tokens_behind_last(tokens) : tokens.size());
  const int32_t allowed = options.dry_allowed_length;
  if (tokens.empty() || longest < allowed) return;
  common_endings(tokens, common_);
  for (size_t k = 1; k < tokens.size(); ++k) {
    const int32_t repeated = std::min(common_[k], longest);
    if (repeated < allowed) continue;
    int32_t& mark = marks[static_cast<size_t>(tokens[tokens.size() - k])];
    mark = std::max(mark, repeated);
  }
  candidates.edit(tokens, marks, [&](float& logit, int32_t repeated) {
    const double grown = std::pow(double{options.dry_base}, repeated - allowed);
    logit -= static_cast<float>(std::min(options.dry_multiplier * grown, kLargestPenalty));
  });
}

}  // namespace issun::engine
