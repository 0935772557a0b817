// Formats whose codes are entries of codebooks: IQ1, IQ2 and IQ3.
#include "quantize/book_block.h"

namespace issun::quantize {

namespace {

template <class GroupKind>
class BookBlockSearch {
 public:
  BookBlockSearch(const Part& part, GroupKind& group, const Multiples& multiples)
      : part_(part), group_(group), multiples_(multiples), groups_(256 / group.size) {}

  BookBlock search() {
    for (int g = 0; g < groups_; ++g) find_own_scale(g);
    block_.d = held_f16(shared_scale());
    if (f16_to_f32(block_.d) == 0) return {};
    choose_all();
    refit();
    return block_;
  }

 private:
  static constexpr int kTries = 12, kFineTries = 4;

  // From where the root mean square is the largest value to where the largest weight is.
  void find_own_scale(int g) {
    const Group values = part_.group(g * group_.size, group_.size);
    const float most = std::fabs(extreme(values));
    float squares = 0;
    for (int i = 0; i < values.n; ++i) squares += values.x[i] * values.x[i];
    const float from = std::sqrt(squares / static_cast<float>(values.n)) / group_.largest;
    own_[g] = own_squares_[g] = 0;
    if (!(from > 0)) return;
    const float ratio = std::pow(1.1f * most / (from * group_.largest), 1.0f / (kTries - 1));
    std::array<float, kTries> scales{};
    float scale = from;
    for (float& tried : scales) {
      tried = scale;
      scale *= ratio;
    }
    group_.load(g * group_.size);
    const float best = scales[least_error(scales)];
    // Once more, between the neighbours of the best.
    const float fine = std::pow(ratio, 2.0f / (kFineTries + 1));
    std::array<float, kFineTries> near{};
    scale = best / ratio;
    for (float& tried : near) tried = scale *= fine;
    const GroupChoice choice = group_.choose(near[least_error(near)]);
    const double own = choice.products / choice.squares;
    if (!std::isfinite(own)) return;  // all zeros, or squares beyond what a number holds
    own_[g] = own;
    own_squares_[g] = choice.squares;
  }

  size_t least_error(std::span<const float> scales) const {
    float errors[kMostScales];
    group_.errors(scales, errors);
    return static_cast<size_t>(std::min_element(errors, errors + scales.size()) - errors);
  }

  // The block's scale for which the groups' own ones are least off, by their quadratic errors.
  double shared_scale() const {
    double most = 0;
    for (int g = 0; g < groups_; ++g) most = std::max(most, own_[g]);
    if (!(most > 0)) return 0;  // a block of zeros, which any multiple of nothing gives
    double best = 0, least = 1e300;
    for (double factor = 0.7; factor < 1.4; factor += 0.01) {
      const double d = factor * most / static_cast<double>(multiples_.of(multiples_.most));
      double error = 0;
      for (int g = 0; g < groups_; ++g) {
        const double k = (own_[g] / (d * static_cast<double>(multiples_.unit)) -
                          static_cast<double>(multiples_.first)) /
                         static_cast<double>(multiples_.step);
        const int nearest =
            static_cast<int>(std::clamp(std::round(k), 0.0, static_cast<double>(multiples_.most)));
        const double off = own_[g] - d * static_cast<double>(multiples_.of(nearest));
        error += own_squares_[g] * off * off;
      }
      if (!(error < least)) continue;
      least = error;
      best = d;
    }
    return best;
  }

  // With the scale as the file has it, each group's best multiple and entries.
  void choose_all() {
    const float d = f16_to_f32(block_.d);
    std::array<float, kMostScales> scales{};
    const auto count = static_cast<size_t>(multiples_.most + 1);
    for (size_t k = 0; k < count; ++k) scales[k] = d * multiples_.of(static_cast<int>(k));
    for (int g = 0; g < groups_; ++g) {
      group_.load(g * group_.size);
      const size_t k = least_error({scales.data(), count});
      block_.scales[g] = static_cast<int>(k);
      block_.choices[g] = group_.choose(scales[k]);
    }
  }

  // The least squares of d with everything else as it is.
  void refit() {
    double products = 0, squares = 0;
    for (int g = 0; g < groups_; ++g) {
      const double multiple = static_cast<double>(multiples_.of(block_.scales[g]));
      products += multiple * block_.choices[g].products;
      squares += multiple * multiple * block_.choices[g].squares;
    }
    if (squares > 0 && products > 0) block_.d = held_f16(products / squares);
  }

  const Part& part_;
  GroupKind& group_;
  const Multiples& multiples_;
  const int groups_;
  double own_[16] = {}, own_squares_[16] = {};
  BookBlock block_;
};

template <class GroupKind>
BookBlock fit_block(const BookPart& part, GroupKind group, const Multiples& multiples) {
  return BookBlockSearch<GroupKind>(part.part, group, multiples).search();
}

}  // namespace

void encode(const BookPart& part, BlockIQ2_XXS* block) {
  pack(
      fit_block(part, SignedGroup(part, part.books.iq2_xxs.entries(), true, 32, 43), kMultiplesIq2),
      block);
}
void encode(const BookPart& part, BlockIQ2_XS* block) {
  pack(fit_block(part, SignedGroup(part, part.books.iq2_xs.entries(), true, 16, 43), kMultiplesIq2),
       block);
}
void encode(const BookPart& part, BlockIQ2_S* block) {
  pack(fit_block(part, SignedGroup(part, part.books.iq2_s.entries(), false, 16, 43), kMultiplesIq2),
       block);
}
void encode(const BookPart& part, BlockIQ3_XXS* block) {
  pack(fit_block(part, SignedGroup(part, part.books.iq3_xxs.entries(), true, 32, 62),
                 kMultiplesIq3Xxs),
       block);
}
void encode(const BookPart& part, BlockIQ3_S* block) {
  pack(
      fit_block(part, SignedGroup(part, part.books.iq3_s.entries(), false, 32, 15), kMultiplesIq3S),
      block);
}
void encode(const BookPart& part, BlockIQ1_S* block) {
  pack(fit_block(part, ShiftedGroup(part, true, 32), kMultiplesIq1), block);
}
void encode(const BookPart& part, BlockIQ1_M* block) {
  pack(fit_block(part, ShiftedGroup(part, false, 16), kMultiplesIq1), block);
}

}  // namespace issun::quantize
