#include "train/tokenizer_unigram.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "train/tokenizer_lattice.h"
#include "train/tokenizer_seeds.h"

namespace issun::train {

namespace {

constexpr size_t kMostSeeds = 1000000;
constexpr int kStepsBetween = 2;
constexpr double kStaying = 0.75;
constexpr double kLeastExpected = 0.5;  // a piece that is expected less often does not help

class PieceLearner {
 public:
  PieceLearner(const PieceText& text, const UnigramOptions& options, Workers& workers)
      : options_(options),
        workers_(workers),
        model_(text, find_seeds(text, options.min_frequency, kMostSeeds, workers), workers) {}

  ScoredPieces learn() {
    improve();
    while (model_.size() > options_.pieces) {
      prune(std::max(options_.pieces, static_cast<int>(kStaying * model_.size())));
      improve();
    }
    ScoredPieces pieces;
    for (int p = 0; p < model_.size(); ++p) {
      pieces.emplace_back(model_.text_of(p), static_cast<float>(model_.score(p)));
    }
    std::sort(pieces.begin(), pieces.end(), [](const auto& a, const auto& b) {
      return a.second != b.second ? a.second > b.second : a.first < b.first;
    });
    return pieces;
  }

 private:
  void improve() {
    for (int step = 0; step < kStepsBetween; ++step) {
      const PieceModel::Expectation expected = model_.expect(workers_);
      if (options_.progress) options_.progress(model_.size(), expected.log_likelihood);
      model_.maximise(expected.counts);
      expected_ = expected.counts;
    }
  }

  // What the likelihood loses per occurrence, times the occurrences, when the piece goes and others
  // spell it from then on.
  double loss_of(int piece, const std::vector<int64_t>& counts, double sum,
                 std::vector<int32_t>& others) const {
    const auto count_of = [&](int p) {
      return static_cast<double>(counts[static_cast<size_t>(p)]);
    };
    const double count = count_of(piece);
    const double new_sum = sum + count * static_cast<double>(others.size() - 1);
    double otherwise = 0;
    for (const int32_t other : others) otherwise += std::log((count_of(other) + count) / new_sum);
    return count * (std::log(count / sum) - otherwise);
  }

  // What each piece's loss is; below 0 for those that do not help: never the likeliest choice.
  std::vector<double> losses() {
    const std::vector<int64_t> counts = model_.best_counts(workers_);
    const auto sum = static_cast<double>(std::accumulate(counts.begin(), counts.end(), int64_t{0}));
    std::vector<double> losses(counts.size(), -1);
    workers_.for_each(model_.size(), 1024, [&](int64_t begin, int64_t end, int) {
      std::vector<int32_t> others;
      for (int p = std::max(static_cast<int>(begin), model_.characters()); p < end; ++p) {
        const auto index = static_cast<size_t>(p);
        if (counts[index] == 0 || expected_[index] < kLeastExpected) continue;
        if (model_.spell_otherwise(p, others) > model_.score(p)) continue;
        losses[index] = std::max(0.0, loss_of(p, counts, sum, others));
      }
    });
    return losses;
  }

  // Leaves at most so many, and those that do not help only where there would be too few.
  void prune(int staying) {
    const std::vector<double> loss = losses();
    std::vector<int> order(static_cast<size_t>(model_.size() - model_.characters()));
    std::iota(order.begin(), order.end(), model_.characters());
    std::stable_sort(order.begin(), order.end(), [&](int first, int second) {
      const auto a = static_cast<size_t>(first), b = static_cast<size_t>(second);
      return loss[a] != loss[b] ? loss[a] > loss[b] : expected_[a] > expected_[b];
    });
    const auto helpful = std::count_if(loss.begin(), loss.end(), [](double l) { return l >= 0; });
    const auto count = std::clamp<int64_t>(helpful, options_.pieces - model_.characters(),
                                           staying - model_.characters());
    std::vector<bool> kept(loss.size(), false);
    for (int64_t i = 0; i < count; ++i)
      kept[static_cast<size_t>(order[static_cast<size_t>(i)])] = true;
    model_.keep(kept);
  }

  const UnigramOptions& options_;
  Workers& workers_;
  PieceModel model_;
  std::vector<double> expected_;
};

}  // namespace

ScoredPieces learn_pieces(const PieceText& text, const UnigramOptions& options, Workers& workers) {
  return PieceLearner(text, options, workers).learn();
}

}  // namespace issun::train
