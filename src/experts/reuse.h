// How often an LRU of any size would have hit, measured without having one: stack distances
// (Mattson et al., Evaluation techniques for storage hierarchies, IBM Systems Journal 9(2), 1970).
// And how to divide memory between layers by that.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace issun::experts {

// Of one layer; its units are 0..units-1.
class ReuseCurve {
 public:
  // A use counts half after `half_life` further ones; 0: for ever.
  explicit ReuseCurve(int units, double half_life = 0);

  void use(int unit);
  // Units of one batch, each once: they do not push each other out before they were used, as in a
  // store that makes room after a batch. `counted`: false: only the order of units changes.
  void use_together(std::span<const int32_t> units, bool counted = true);

  double uses() const { return uses_; }  // faded
  // Share of the uses that an LRU with so many slots would have hit; 0 before the first use.
  double hits(int slots) const;
  // The same with 0, 1, ... units slots.
  std::vector<double> curve() const;

 private:
  void count(int unit);

  double growth_;  // a use weighs so much more than the one before
  double weight_ = 1, uses_ = 0;
  int64_t now_ = 0;
  std::vector<int64_t> used_at_;   // 0: never
  std::vector<double> distances_;  // weight of uses with so many other units since the last
};

struct SlotDivision {
  // Of each layer: what 0, 1, ... slots gain, never falling; beyond its end nothing is gained.
  // Empty where nothing is known.
  std::span<const std::vector<double>> curves;
  std::span<const int64_t> layer_bytes;  // of each layer: bytes of a slot, > 0
  int64_t budget_bytes = 0;
  std::span<const int> least;  // slots that a layer has in any case, even beyond the budget
  std::span<const int> most;   // slots that a layer has at most
};

// Slots of each layer. Those with a curve get them where a byte gains most, along the curves'
// concave hulls, which is the optimum of the hulls but for the last slot; where nothing is known,
// and for what is left when nothing more is gained, each layer gets the same share of its units.
std::vector<int> divide_slots(const SlotDivision& division);

}  // namespace issun::experts
