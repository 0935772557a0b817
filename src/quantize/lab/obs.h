// Optimal Brain Surgeon on one row of a layer: a weight is removed or rounded, and those that are
// still free move so that the layer's output changes least. Exact, in double, for small layers:
// the oracle of what is faster. (Frantar, Singh and Alistarh 2022, "Optimal Brain Compression".)
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace issun::quantize::lab {

// The inverse of a symmetric positive definite matrix (n, n); nullopt where it is none.
std::optional<std::vector<double>> inverse_of(std::span<const double> matrix, int64_t n);

// The row w of a layer whose error is (w' - w) H (w' - w)^T.
class ObsRow {
 public:
  // inverse: (n, n), of H.
  ObsRow(std::span<const double> weights, std::span<const double> inverse);

  int64_t size() const { return static_cast<int64_t>(weights_.size()); }
  bool is_free(int64_t q) const { return free_[static_cast<size_t>(q)]; }
  double weight(int64_t q) const { return weights_[static_cast<size_t>(q)]; }
  const std::vector<double>& weights() const { return weights_; }
  // What the error grows by if the free weight q becomes `target`.
  double cost(int64_t q, double target) const;
  // Makes the free weight q that number for good; the free ones move.
  void fix(int64_t q, double target);

 private:
  std::vector<double> weights_,
      inverse_;  // inverse: of H without the rows and columns that are fixed
  std::vector<bool> free_;
};

// (w' - w) H (w' - w)^T.
double output_error(std::span<const double> weights, std::span<const double> again,
                    std::span<const double> h);

// The free weights that cost least become 0, one after another, until `count` have.
void obs_prune(ObsRow& row, int64_t count);
// The same, but of every four neighbours two, as the sparse products of GPUs want them. A last
// part of fewer than four loses half of it, rounded down.
void obs_prune_2_of_4(ObsRow& row);
// All free weights become what `round` makes of them, the one that costs least first (OBQ). One
// that the others' moves have pushed more than half a step away from the grid comes at once, while
// there are others left to make up for it.
void obs_round(ObsRow& row, const std::function<double(double)>& round, double half_step);

// Without the layer's inputs: the smallest magnitudes become 0, others stay.
std::vector<double> prune_smallest(std::span<const double> weights, int64_t count);
std::vector<double> prune_smallest_2_of_4(std::span<const double> weights);

}  // namespace issun::quantize::lab
