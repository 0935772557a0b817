// Routing to test with: topics that change, experts as unevenly liked as Zipf's law has it, and a
// liking for those of the token before. Not for programs.
#pragma once

#include <algorithm>
#include <cmath>
#include <random>

#include "experts/trace.h"

namespace issun::experts {

struct MadeUpRouting {
  int layers = 2, experts = 16, used = 2;
  int batches = 200;
  int topic_batches = 50;  // a topic lasts so long
  int prompt_every = 40;   // such a batch is a prompt; 0: none
  int prompt_rows = 8;
  double skew = 0.9;      // of Zipf's law
  double stickiness = 2;  // the experts of the token before are so much likelier
  unsigned seed = 1;
};

inline Trace made_up_trace(const MadeUpRouting& of) {
  std::mt19937 random(of.seed);
  Trace trace;
  trace.header.model = "made up";
  trace.header.used = of.used;
  for (int l = 0; l < of.layers; ++l) {
    trace.header.layers.push_back(l);
    trace.header.experts.push_back(of.experts);
    trace.header.expert_bytes.push_back(1000);
  }
  std::vector<std::vector<double>> liking(static_cast<size_t>(of.layers));
  std::vector<std::vector<int32_t>> before(liking.size());
  for (int b = 0; b < of.batches; ++b) {
    if (b % of.topic_batches == 0) {
      for (std::vector<double>& layer : liking) {
        layer.clear();
        for (int e = 0; e < of.experts; ++e) layer.push_back(std::pow(1 + e, -of.skew));
        std::shuffle(layer.begin(), layer.end(), random);
      }
    }
    TraceBatch batch;
    const bool prompt = of.prompt_every > 0 && b % of.prompt_every == 0;
    batch.phase = prompt ? Phase::Prompt : Phase::Generate;
    batch.rows = prompt ? of.prompt_rows : 1;
    for (size_t l = 0; l < liking.size(); ++l) {
      for (int r = 0; r < batch.rows; ++r) {
        std::vector<double> weights = liking[l];
        for (const int32_t e : before[l]) weights[static_cast<size_t>(e)] *= of.stickiness;
        before[l].clear();
        for (int i = 0; i < of.used; ++i) {
          std::discrete_distribution<int32_t> draw(weights.begin(), weights.end());
          before[l].push_back(draw(random));
          weights[static_cast<size_t>(before[l].back())] = 0;
        }
        batch.experts.insert(batch.experts.end(), before[l].begin(), before[l].end());
      }
    }
    trace.batches.push_back(std::move(batch));
  }
  return trace;
}

}  // namespace issun::experts
