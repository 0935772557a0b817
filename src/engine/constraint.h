// What one answer may say: the logits of all other tokens become minus infinity.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "grammar/grammar.h"

namespace issun::engine {

class Constraint {
 public:
  Constraint(std::shared_ptr<const grammar::Grammar> grammar,
             std::shared_ptr<const grammar::TokenIndex> tokens, int vocabulary_size);

  // logits: (vocabulary). Valid until the next call. Empty: the answer is complete, and the
  // vocabulary has no token to end it with.
  std::span<const float> apply(std::span<const float> logits);
  // The token was allowed.
  void accept(int32_t token);
  // What it asks for takes more work than one answer may: it holds no longer.
  bool too_costly() const { return state_.too_costly(); }

 private:
  grammar::GrammarState state_;
  std::vector<float> allowed_;  // (vocabulary)
};

}  // namespace issun::engine
