// Steps that leave tokens out. Each keeps at least one candidate where there was one.
#pragma once

#include <vector>

#include "engine/sampling/candidates.h"
#include "engine/sampling/options.h"

namespace issun::engine {

// What steps need that outlives one token, so that none allocates.
struct TruncationScratch {
  explicit TruncationScratch(int vocabulary_size) {
    scored.reserve(static_cast<size_t>(vocabulary_size));
    kept.reserve(static_cast<size_t>(vocabulary_size));
  }
  struct Scored {
    float score;
    Candidate candidate;
  };
  std::vector<Scored> scored;
  std::vector<Candidate> kept;
};

// The k most likely (Fan, Lewis, Dauphin 2018, section 5.4).
void top_k(Candidates& candidates, int k);

// The nucleus: the fewest most likely tokens that together reach p (Holtzman et al. 2020, 3.1).
void top_p(Candidates& candidates, float p, int min_keep);

// Those at least `share` times as likely as the most likely (Nguyen et al. 2024, section 3).
void min_p(Candidates& candidates, float share, int min_keep);

// Those whose surprise is nearest to the one to expect, the entropy, until they pass p together
// (Meister et al. 2023, "Locally Typical Sampling", section 4).
void typical_p(Candidates& candidates, float p, int min_keep, TruncationScratch& scratch);

// Those whose logit is at most n standard deviations of all logits below the best (Tang et al.
// 2024, "Top-nsigma").
void top_n_sigma(Candidates& candidates, float n);

// "Exclude top choices": of the tokens that reach `threshold` only the least likely stays, so that
// the obvious is not said (p-e-w 2024, text-generation-webui change 6335). Whether this happens at
// all is the caller's draw.
void exclude_top_choices(Candidates& candidates, float threshold, int min_keep);

}  // namespace issun::engine
