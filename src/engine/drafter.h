// Who guesses what comes next in a text, so that the model looks at several tokens in one batch. A
// guess decides nothing: the model's own choice counts, and a wrong guess costs time alone.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace issun::engine {

// Guesses of one kind are right about equally often.
constexpr int kGuessKinds = 4;

struct Guess {
  int64_t text = 0;                  // a number for each text, the same while it grows
  std::span<const int32_t> history;  // the whole text so far, at least one token
  int most = 0;                      // tokens to guess at most
  std::vector<int32_t> tokens;       // what was guessed; empty: nothing
  int kind = 0;                      // [0, kGuessKinds)
};

class Drafter {
 public:
  virtual ~Drafter() = default;
  // Whether guessing takes next to no time.
  virtual bool free() const = 0;
  // Guesses how each text goes on: sets tokens, and kind where there are any.
  virtual void guess(std::span<Guess* const> guesses) = 0;
  // The text has ended.
  virtual void forget(int64_t text) = 0;
};

}  // namespace issun::engine
