// DRY, "don't repeat yourself": penalties for tokens that would carry on a repetition of several
// tokens (p-e-w 2024, text-generation-webui change 5677).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "engine/sampling/candidates.h"
#include "engine/sampling/options.h"
#include "tokenizer/tokenizer.h"

namespace issun::engine {

// Texts over which no repetition reaches, such as a line end, as tokens.
class SequenceBreakers {
 public:
  // Looks at the whole vocabulary for each text. Error: a text that cannot be encoded.
  static Result<SequenceBreakers> create(const tokenizer::Tokenizer& tokenizer,
                                         const std::vector<std::string>& texts);

  // How many tokens stand behind the last breaker; all if there is none.
  size_t tokens_behind_last(std::span<const int32_t> tokens) const;

 private:
  // A token in which a breaker begins, and the tokens in which it goes on.
  std::unordered_multimap<int32_t, std::vector<int32_t>> tails_;
};

class Dry {
 public:
  // breakers: nullptr for none.
  explicit Dry(std::shared_ptr<const SequenceBreakers> breakers) : breakers_(std::move(breakers)) {}

  // A token that would make the longest run of tokens that ends the history and stood there before
  // n + 1 long, n at least dry_allowed_length, loses multiplier * base ^ (n - allowed_length).
  // marks: (vocabulary), 0 before and after.
  void penalise(Candidates& candidates, const SamplerOptions& options,
                std::span<const int32_t> history, std::span<int32_t> marks);

 private:
  std::shared_ptr<const SequenceBreakers> breakers_;
  std::vector<int32_t> common_;  // grows with the history
};

// z[k]: how many tokens the history read backwards has in common with itself from its k-th last
// token on; z[0] is not set. Linear in the length (the Z-algorithm: Gusfield 1997, section 1.3).
void common_endings(std::span<const int32_t> tokens, std::vector<int32_t>& z);

}  // namespace issun::engine
