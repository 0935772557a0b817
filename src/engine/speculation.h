// Several tokens of a text in one batch: guesses by a Drafter, as many as pay. What is said is the
// same with and without, since each token is chosen as ever and a guess counts only where it is the
// token chosen.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "engine/draft_length.h"
#include "engine/drafter.h"
#include "model/config.h"
#include "model/decoder.h"

namespace issun::engine {

// Rows of a batch that has the bits of batches of one (Batch::company) at most: more of them cost
// more than they are worth.
constexpr int kMostRowsAlone = 6;

struct SpeculationOptions {
  std::shared_ptr<Drafter> drafter = {};  // nullptr: no speculation; of one engine alone
  int draft_max = 5;                      // guesses for one text in a batch at most
  int draft_min = 1;                      // where there are fewer, none is looked at
  // Guesses change no bit: a batch asks for the company that its texts have without them.
  bool keep_bits = true;
  // As many guesses as pay by what was measured; else as many as there are.
  bool adapt = true;
  double (*clock)() = seconds_now;  // which all is measured by; another one: tests
};

// Error: a network whose memory of a text cannot be taken back.
Result<void> check_speculation(const model::ModelConfig& config);
// Rows of logits that a batch needs where so many are guessed for a text at most.
int outputs_with_speculation(int draft_max, int sequences);

// What belongs to one text.
struct DraftState {
  Guess guess;
  std::vector<HitRate> rates;  // by kind
};

class Speculation {
 public:
  Speculation(const SpeculationOptions& options, const model::Decoder& decoder);

  bool on() const { return options_.drafter != nullptr; }
  // Guesses for texts that have a row each in a batch without further rows; guess.text, history and
  // most are set. At most `room` guesses together. Returns the seconds that it took.
  double guess(std::span<DraftState* const> states, int room);
  // What a batch of so many texts and their guesses asks for: Batch::company.
  int company(int texts) const { return options_.keep_bits ? texts : 0; }
  // What came of a guess: so many tokens of it were right, and whether the next one was wrong.
  void judged(DraftState& state, int right, bool wrong);
  // A batch of so many rows, whatever they were, none of them a prompt's, that asked for such a
  // company; without the time of guessing, which came before it.
  void learn(int rows, int company, double seconds);
  void forget(int64_t text);

 private:
  int room_in_batch(int rows, int room) const;
  void choose(std::span<DraftState* const> states, int room);
  double ask(std::span<DraftState* const> states);
  double seconds(int rows, int guesses) const;

  SpeculationOptions options_;
  const model::Decoder& decoder_;
  StepCost few_, many_;         // of batches as a single row is computed, and otherwise
  std::vector<HitRate> rates_;  // of all texts, where a new one begins
  double guess_seconds_ = 0;    // of one guess, where guessing takes time
  // Of one call.
  std::vector<DraftWish> wishes_;
  std::vector<Guess*> guesses_;
};

}  // namespace issun::engine
