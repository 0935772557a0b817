// Frequency, weighted by recency as much as pays. Four memories count uses and forget them with
// half-lives from two uses of each unit to 256: the first is nearly LRU, the last nearly LFU. Each
// says how likely a unit is used next; what they said of the units that then were used moves trust
// between them, as in a Bayesian mixture, with a small share always lent back to all (Herbster and
// Warmuth, Tracking the best expert, Machine Learning 32, 1998). Least likely in their common
// opinion goes; a newcomer may be that.
//
// Why not one fixed speed: routing of one long topic wants the longest memory, changing topics one
// of 4 to 8 uses, which each lose 5 to 40 % of the hits in the other case. This keeps within 1 % of
// the better in both.
#pragma once

#include <array>
#include <vector>

#include "experts/policy.h"

namespace issun::experts {

class LfruPolicy : public Policy {
 public:
  explicit LfruPolicy(int units);
  void use(int unit, int tokens) override;
  void admit(int) override {}
  void drop(int) override {}
  int victim(std::span<const uint8_t> droppable) override;

 private:
  static constexpr size_t kMemories = 4;
  // In uses of the layer per unit, so that they hold for any number of units.
  static constexpr std::array<double, kMemories> kHalfLives{2, 8, 32, 256};
  static constexpr double kPrior = 0.1;     // uses that each unit has in each memory from the start
  static constexpr double kLearning = 0.3;  // of the logarithms of likelihoods; 1: Bayes' rule
  static constexpr double kLent = 0.003;    // of the trust, a batch

  struct Unit {
    std::array<double, kMemories> uses{};  // faded
    int tokens = 0;                        // of this batch
    int64_t used_at = 0;                   // 0: never
  };
  struct Memory {
    double half_life = 0;
    double uses = 0;   // of all units, faded
    double trust = 0;  // of all memories 1
  };
  double likelihood(const Unit& unit, size_t memory) const;
  double value(const Unit& unit) const;
  // A batch is over when a unit is used again, or one has to go.
  void end_batch();
  void move_trust();

  std::vector<Unit> units_;
  std::array<Memory, kMemories> memories_;
  double batch_uses_ = 0;
  int64_t now_ = 0;
};

}  // namespace issun::experts
