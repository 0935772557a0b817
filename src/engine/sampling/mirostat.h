// Mirostat: cuts so that the surprise of what is said stays near a target (Basu et al. 2021). Takes
// the place of the other steps that cut.
#pragma once

#include "engine/sampling/candidates.h"
#include "engine/sampling/options.h"

namespace issun::engine {

class Mirostat {
 public:
  Mirostat(const SamplerOptions& options, int vocabulary_size)
      : version_(options.mirostat),
        tau_(options.mirostat_tau),
        eta_(options.mirostat_eta),
        vocabulary_size_(vocabulary_size),
        mu_(2 * double{options.mirostat_tau}) {}

  bool on() const { return version_ != 0; }
  // Version 1 estimates how the probabilities fall with the rank and keeps the k best that follow
  // from it (algorithm 1); version 2 keeps what surprises by mu bits at most.
  void cut(Candidates& candidates) const;
  // The token that was drawn had this probability among what cut() left.
  void learn(double probability);

  double mu() const { return mu_; }

 private:
  size_t estimated_k(Candidates& candidates) const;

  int version_;
  double tau_, eta_;
  int vocabulary_size_;
  double mu_;
};

}  // namespace issun::engine
