#include "engine/constraint.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "base/check.h"

namespace issun::engine {

Constraint::Constraint(std::shared_ptr<const grammar::Grammar> grammar,
                       std::shared_ptr<const grammar::TokenIndex> tokens, int vocabulary_size)
    : state_(std::move(grammar), std::move(tokens)),
      allowed_(static_cast<size_t>(vocabulary_size)) {}

std::span<const float> Constraint::apply(std::span<const float> logits) {
  std::fill(allowed_.begin(), allowed_.end(), -std::numeric_limits<float>::infinity());
  const std::span<const uint64_t> mask = state_.allowed();
  bool any = false;
  for (size_t word = 0; word < mask.size(); ++word) {
    for (uint64_t bits = mask[word]; bits != 0; bits &= bits - 1) {
      const size_t token = word * 64 + static_cast<size_t>(std::countr_zero(bits));
      if (token >= std::min(logits.size(), allowed_.size())) break;
      allowed_[token] = logits[token];
      any = true;
    }
  }
  return any ? std::span<const float>(allowed_) : std::span<const float>();
}

void Constraint::accept(int32_t token) { CHECK_THAT(state_.accept(token) || too_costly()); }

}  // namespace issun::engine
