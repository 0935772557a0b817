#include <algorithm>

#include "experts/reuse.h"

namespace issun::experts {

namespace {

class Division {
 public:
  explicit Division(const SlotDivision& wanted)
      : wanted_(wanted),
        left_(wanted.budget_bytes),
        slots_(wanted.least.begin(), wanted.least.end()) {
    for (size_t l = 0; l < slots_.size(); ++l) {
      slots_[l] = std::min(slots_[l], wanted_.most[l]);
      left_ -= slots_[l] * wanted_.layer_bytes[l];
    }
  }

  std::vector<int> divide() {
    // What is unknown first gets its equal share, so that the known may not take all.
    const std::vector<int> equal = Division(wanted_).shared();
    for (size_t l = 0; l < slots_.size(); ++l) {
      if (!known(l)) take(l, equal[l] - slots_[l]);
    }
    by_gain();
    return shared();
  }

 private:
  bool known(size_t l) const { return !wanted_.curves[l].empty(); }
  bool fits(size_t l) const {
    return slots_[l] < wanted_.most[l] && wanted_.layer_bytes[l] <= left_;
  }
  void take(size_t l, int count) {
    slots_[l] += count;
    left_ -= count * wanted_.layer_bytes[l];
  }

  double gain(size_t l, int slots) const {
    const std::vector<double>& curve = wanted_.curves[l];
    return curve[std::min(static_cast<size_t>(slots), curve.size() - 1)];
  }

  // A step along the concave hull of a layer's curve from where it stands.
  struct Step {
    int slots = 0;
    double gain_per_byte = 0;
  };
  Step step(size_t l) const {
    Step best;
    for (int more = 1; slots_[l] + more <= wanted_.most[l]; ++more) {
      const double bytes = static_cast<double>(more) * static_cast<double>(wanted_.layer_bytes[l]);
      const double rate = (gain(l, slots_[l] + more) - gain(l, slots_[l])) / bytes;
      if (rate > best.gain_per_byte) best = {more, rate};
    }
    return best;
  }

  // The steps that gain most per byte first; of the first that does not fit, what does.
  void by_gain() {
    std::vector<Step> steps(slots_.size());
    for (size_t l = 0; l < steps.size(); ++l) {
      if (known(l)) steps[l] = step(l);
    }
    while (true) {
      const auto best = std::max_element(
          steps.begin(), steps.end(),
          [](const Step& a, const Step& b) { return a.gain_per_byte < b.gain_per_byte; });
      if (best == steps.end() || best->slots == 0) return;
      const auto l = static_cast<size_t>(best - steps.begin());
      const int64_t room = std::max<int64_t>(0, left_) / wanted_.layer_bytes[l];
      const bool whole = best->slots <= room;
      take(l, whole ? best->slots : static_cast<int>(room));
      *best = whole ? step(l) : Step{};
    }
  }

  // What is left, a slot at a time to the layer that has the smallest share of its units.
  std::vector<int> shared() {
    while (true) {
      size_t poorest = slots_.size();
      double least = 0;
      for (size_t l = 0; l < slots_.size(); ++l) {
        const double share = static_cast<double>(slots_[l]) / wanted_.most[l];
        if (!fits(l) || (poorest < slots_.size() && share >= least)) continue;
        poorest = l;
        least = share;
      }
      if (poorest == slots_.size()) return slots_;
      take(poorest, 1);
    }
  }

  const SlotDivision& wanted_;
  int64_t left_;
  std::vector<int> slots_;
};

}  // namespace

std::vector<int> divide_slots(const SlotDivision& division) { return Division(division).divide(); }

}  // namespace issun::experts
