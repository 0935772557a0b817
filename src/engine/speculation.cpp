#include "engine/speculation.h"

#include <algorithm>

#include "base/check.h"

namespace issun::engine {

namespace {
// Guesses of a batch at most, so that texts beside which others guess get their rows.
constexpr int kMostGuesses = 32;
// Texts that are planned to guess at once.
constexpr int kGuessingTexts = 8;
}  // namespace

Result<void> check_speculation(const model::ModelConfig& config) {
  const bool recurrent = std::any_of(config.layers.begin(), config.layers.end(),
                                     [](const auto& layer) { return layer.recurs(); });
  if (!recurrent) return {};
  return fail(
      "speculation: {} has recurrent layers, whose state cannot take back a wrong guess; "
      "expected a model of attention alone",
      config.architecture);
}

int outputs_with_speculation(int draft_max, int sequences) {
  return sequences + std::min(kMostGuesses, draft_max * std::min(sequences, kGuessingTexts));
}

Speculation::Speculation(const SpeculationOptions& options, const model::Decoder& decoder)
    : options_(options), decoder_(decoder), rates_(kGuessKinds) {
  CHECK_THAT(!on() || (options.draft_max >= 1 && options.draft_min <= options.draft_max));
}

// Guesses that a batch of so many rows has room for.
int Speculation::room_in_batch(int rows, int room) const {
  room = std::min({room, decoder_.max_outputs() - rows, kMostGuesses});
  room = std::max(room, 0);
  if (!options_.keep_bits || !decoder_.computes_alike(1, rows)) return room;
  int alike = 0;
  while (alike < room && decoder_.computes_alike(rows, rows + alike + 1)) ++alike;
  return std::max(alike, std::min(room, kMostRowsAlone - rows));
}

double Speculation::guess(std::span<DraftState* const> states, int room) {
  const int rows = static_cast<int>(states.size());
  room = room_in_batch(rows, room);
  for (DraftState* state : states) {
    state->guess.most = std::max(0, std::min({state->guess.most, options_.draft_max, room}));
    state->guess.tokens.clear();
    if (state->rates.empty()) state->rates = rates_;
  }
  const bool free = options_.drafter->free();
  double seconds = free ? ask(states) : 0;
  choose(states, room);
  if (!free) seconds = ask(states);
  for (DraftState* state : states) {
    auto& tokens = state->guess.tokens;
    tokens.resize(std::min(tokens.size(), static_cast<size_t>(state->guess.most)));
    if (static_cast<int>(tokens.size()) >= options_.draft_min) continue;
    tokens.clear();
    // It was asked in vain, which takes as long as a guess that is wrong.
    if (!free && state->guess.most > 0) judged(*state, 0, true);
  }
  return seconds;
}

double Speculation::ask(std::span<DraftState* const> states) {
  guesses_.clear();
  for (DraftState* state : states) {
    if (state->guess.most > 0) guesses_.push_back(&state->guess);
  }
  if (guesses_.empty()) return 0;
  const double start = options_.clock();
  options_.drafter->guess(guesses_);
  const double seconds = options_.clock() - start;
  if (options_.drafter->free()) return seconds;
  size_t tokens = 0;
  // To find out that nothing can be guessed takes as long as a guess.
  for (const Guess* guess : guesses_) tokens += std::max<size_t>(1, guess->tokens.size());
  const double now = seconds / static_cast<double>(tokens);
  // The first call reads a prompt too.
  guess_seconds_ =
      guess_seconds_ == 0 || now < guess_seconds_ ? now : 0.9 * guess_seconds_ + 0.1 * now;
  return seconds;
}

// How much of each guess is looked at, or asked for.
void Speculation::choose(std::span<DraftState* const> states, int room) {
  wishes_.clear();
  for (const DraftState* state : states) {
    const Guess& guess = state->guess;
    int available = options_.drafter->free() ? static_cast<int>(guess.tokens.size()) : guess.most;
    if (available < options_.draft_min) available = 0;
    wishes_.push_back(
        {.available = available, .rate = state->rates[static_cast<size_t>(guess.kind)].value()});
  }
  const int rows = static_cast<int>(states.size());
  std::function<double(int)> cost;
  if (options_.adapt) cost = [&](int guesses) { return seconds(rows, guesses); };
  choose_lengths(wishes_, room, cost);
  raise_lengths(wishes_, options_.draft_min, room, cost);
  for (size_t i = 0; i < states.size(); ++i) {
    states[i]->guess.most = wishes_[i].chosen;
    if (wishes_[i].available > 0 && wishes_[i].chosen == 0)
      states[i]->rates[static_cast<size_t>(states[i]->guess.kind)].fade();
  }
}

double Speculation::seconds(int rows, int guesses) const {
  const bool few = decoder_.computes_alike(1, options_.keep_bits ? rows : rows + guesses);
  const StepCost &own = few ? few_ : many_, &other = few ? many_ : few_;
  const StepCost& cost = own.known() ? own : other;
  return cost.seconds(rows + guesses) + guesses * guess_seconds_;
}

void Speculation::judged(DraftState& state, int right, bool wrong) {
  const auto kind = static_cast<size_t>(state.guess.kind);
  state.rates[kind].learn(right, wrong);
  rates_[kind].learn(right, wrong);
}

void Speculation::learn(int rows, int company, double seconds) {
  CHECK_THAT(seconds >= 0);
  const bool few = decoder_.computes_alike(1, company != 0 ? company : rows);
  if (on()) (few ? few_ : many_).learn(rows, seconds);
}

void Speculation::forget(int64_t text) {
  if (on()) options_.drafter->forget(text);
}

}  // namespace issun::engine
