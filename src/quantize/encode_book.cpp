// Formats whose codes are entries of codebooks: IQ1, IQ2 and IQ3.
#include <array>

#include "quantize/codebooks.h"
#include "quantize/encode_blocks.h"

namespace issun::quantize {

namespace {

constexpr int kWidest = 8;  // vectors in a group

// What a group became at a scale: x ~ scale * values.
struct Choice {
  int entries[kWidest] = {};         // of each vector
  int signs[kWidest] = {};           // 1 for minus, the first value in the lowest bit
  bool below[kWidest] = {};          // IQ1: minus an eighth instead of plus
  double products = 0, squares = 0;  // weighted sums of x * value and of value^2
};

// The error of an entry is a quadratic function of the scale, whose coefficients are taken once for
// all entries of a vector; any scale then finds its best entry exactly.
class Vectors {
 public:
  Vectors(const BookPart& part, int width) : part_(part), width_(width) {}

  struct Least {
    int entry;
    float error;
  };

  // Slot `slot` of the scratch gets the terms of `entries` for the values from `first` on.
  void load(int slot, const kernels::Entries& entries, const float* x, const float* weights,
            bool flipped) {
    count_ = entries.count;
    const kernels::EntryTerms terms = {products(slot), flipped ? this->flipped(slot) : nullptr,
                                       squares(slot)};
    part_.part.search.entry_terms(&entries, x, weights, &terms);
  }

  void least(int slot, bool turned, std::span<const float> scales, float* out) const {
    part_.part.search.least_terms(turned ? flipped(slot) : products(slot), squares(slot), count_,
                                  scales.data(), static_cast<int>(scales.size()), out);
  }

  Least find(int slot, bool turned, float scale) const {
    float error = 0;
    least(slot, turned, {&scale, 1}, &error);
    const float* terms = turned ? flipped(slot) : products(slot);
    const float square = scale * scale, minus_twice = -2 * scale;
    for (int e = 0; e < count_; ++e) {
      if (square * squares(slot)[e] + minus_twice * terms[e] == error) return {e, error};
    }
    return {0, error};  // not a number
  }

  float* products(int slot) const { return part_.scratch->products + slot * count_; }
  float* squares(int slot) const { return part_.scratch->squares + slot * count_; }
  float* flipped(int slot) const { return part_.scratch->flipped + slot * count_; }
  int width() const { return width_; }

 private:
  const BookPart& part_;
  const int width_;
  int count_ = 0;
};

constexpr int kMostScales = 32;

// A group whose values have their signs apart from the codebook. Where the number of minus signs of
// each eight has to be even and is not, the sign that costs least is wrong.
class SignedGroup {
 public:
  SignedGroup(const BookPart& part, const kernels::Entries& entries, bool even, int values,
              float largest_value)
      : largest(largest_value),
        size(values),
        part_(part),
        entries_(entries),
        even_(even),
        vectors_(part, entries.width) {}

  const float largest;  // value of the codebook
  const int size;

  void load(int first) {
    x_ = part_.part.x + first;
    weights_ = part_.part.weights + first;
    for (int i = 0; i < size; ++i) magnitudes_[i] = std::fabs(x_[i]);
    for (int v = 0; v < size / width(); ++v)
      vectors_.load(v, entries_, magnitudes_ + v * width(), weights_ + v * width(), even_);
  }

  void errors(std::span<const float> scales, float* errors) const {
    std::fill_n(errors, scales.size(), 0.0f);
    float a[kMostScales], b[kMostScales], a_turned[kMostScales], b_turned[kMostScales];
    for (int v = 0; v < size / width(); v += 8 / width()) {
      const bool odd = even_ && minus_signs(v) % 2 != 0, pair = width() == 4;
      vectors_.least(v, odd && !pair, scales, a);
      if (pair) vectors_.least(v + 1, false, scales, b);
      if (pair && odd) {
        vectors_.least(v, true, scales, a_turned);
        vectors_.least(v + 1, true, scales, b_turned);
      }
      for (size_t k = 0; k < scales.size(); ++k) {
        if (!pair) {
          errors[k] += a[k];
        } else {
          errors[k] += odd ? std::min(a_turned[k] + b[k], a[k] + b_turned[k]) : a[k] + b[k];
        }
      }
    }
  }

  Choice choose(float scale) const {
    Choice choice;
    for (int v = 0; v < size / width(); v += 8 / width()) {
      const bool odd = even_ && minus_signs(v) % 2 != 0;
      if (width() == 8) {
        take(v, odd, scale, &choice);
        continue;
      }
      const bool second =
          odd && vectors_.find(v, false, scale).error + vectors_.find(v + 1, true, scale).error <
                     vectors_.find(v, true, scale).error + vectors_.find(v + 1, false, scale).error;
      take(v, odd && !second, scale, &choice);
      take(v + 1, second, scale, &choice);
    }
    return choice;
  }

 private:
  int width() const { return vectors_.width(); }

  // Of the eight values from vector v on.
  int minus_signs(int v) const {
    int count = 0;
    for (int i = 0; i < 8; ++i) count += x_[v * width() + i] < 0 ? 1 : 0;
    return count;
  }

  void take(int v, bool turned, float scale, Choice* choice) const {
    const int entry = vectors_.find(v, turned, scale).entry;
    choice->entries[v] = entry;
    choice->products += (turned ? vectors_.flipped(v) : vectors_.products(v))[entry];
    choice->squares += vectors_.squares(v)[entry];
    int cheapest = 0;
    float least_cost = 0;
    for (int i = 0; i < width(); ++i) {
      const int at = v * width() + i;
      if (x_[at] < 0) choice->signs[v] |= 1 << i;
      const float cost = weights_[at] * magnitudes_[at] *
                         static_cast<float>(entries_.values[i * entries_.count + entry]);
      if (i > 0 && !(cost < least_cost)) continue;
      least_cost = cost;
      cheapest = i;
    }
    if (turned) choice->signs[v] ^= 1 << cheapest;
  }

  const BookPart& part_;
  const kernels::Entries entries_;
  const bool even_;
  Vectors vectors_;
  const float* x_ = nullptr;
  const float* weights_ = nullptr;
  float magnitudes_[32] = {};
};

// A group of IQ1, whose values are an eighth above or below those of the codebook: all of them
// alike, or each vector for itself. Scales here are an eighth of the format's.
class ShiftedGroup {
 public:
  ShiftedGroup(const BookPart& part, bool alike, int values)
      : size(values), part_(part), alike_(alike), vectors_(part, 8) {}

  const float largest = 9;
  const int size;

  void load(int first) {
    for (int v = 0; v < size / 8; ++v) {
      for (int below = 0; below < 2; ++below)
        vectors_.load(2 * v + below, part_.books.iq1[below].entries(), part_.part.x + first + 8 * v,
                      part_.part.weights + first + 8 * v, false);
    }
  }

  void errors(std::span<const float> scales, float* errors) const {
    float above[kMostScales] = {}, below[kMostScales] = {}, each[kMostScales] = {};
    float a[kMostScales], b[kMostScales];
    for (int v = 0; v < size / 8; ++v) {
      vectors_.least(2 * v, false, scales, a);
      vectors_.least(2 * v + 1, false, scales, b);
      for (size_t k = 0; k < scales.size(); ++k) {
        above[k] += a[k];
        below[k] += b[k];
        each[k] += std::min(a[k], b[k]);
      }
    }
    for (size_t k = 0; k < scales.size(); ++k)
      errors[k] = alike_ ? std::min(above[k], below[k]) : each[k];
  }

  Choice choose(float scale) const {
    Vectors::Least found[4][2];
    float sums[2] = {};
    for (int v = 0; v < size / 8; ++v) {
      for (int below = 0; below < 2; ++below) {
        found[v][below] = vectors_.find(2 * v + below, false, scale);
        sums[below] += found[v][below].error;
      }
    }
    Choice choice;
    for (int v = 0; v < size / 8; ++v) {
      const bool below = alike_ ? sums[1] < sums[0] : found[v][1].error < found[v][0].error;
      const int slot = 2 * v + (below ? 1 : 0), entry = found[v][below ? 1 : 0].entry;
      choice.entries[v] = entry;
      choice.below[v] = below;
      choice.products += vectors_.products(slot)[entry];
      choice.squares += vectors_.squares(slot)[entry];
    }
    return choice;
  }

 private:
  const BookPart& part_;
  const bool alike_;
  Vectors vectors_;
};

// The scales that a group can have are d * unit * (first + step * k), k = 0..most.
struct Multiples {
  float unit, first, step;
  int most;
  float of(int k) const { return unit * (first + step * static_cast<float>(k)); }
};

struct BookBlock {
  uint16_t d = 0;
  int scales[16] = {};
  Choice choices[16];
};

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
    const Choice choice = group_.choose(near[least_error(near)]);
    own_[g] = choice.squares > 0 ? choice.products / choice.squares : 0;
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

constexpr Multiples kMultiplesIq2 = {0.25f, 0.5f, 1, 15};
constexpr Multiples kMultiplesIq3Xxs = {0.5f, 0.5f, 1, 15};
constexpr Multiples kMultiplesIq3S = {1, 1, 2, 15};
constexpr Multiples kMultiplesIq1 = {0.125f, 1, 2, 7};

// Four times the seven of eight signs whose last one follows, and the scale.
uint32_t pack_even_signs(const int* signs, int scale) {
  uint32_t word = static_cast<uint32_t>(scale) << 28;
  for (int j = 0; j < 4; ++j) word |= static_cast<uint32_t>(signs[j] & 127) << (7 * j);
  return word;
}

}  // namespace

void encode(const BookPart& part, BlockIQ2_XXS* block) {
  const BookBlock found =
      fit_block(part, SignedGroup(part, part.books.iq2_xxs.entries(), true, 32, 43), kMultiplesIq2);
  block->d = found.d;
  for (int g = 0; g < 8; ++g) {
    uint8_t places[4];
    for (int j = 0; j < 4; ++j) places[j] = static_cast<uint8_t>(found.choices[g].entries[j]);
    const uint32_t signs = pack_even_signs(found.choices[g].signs, found.scales[g]);
    std::memcpy(block->groups[g], places, 4);
    std::memcpy(block->groups[g] + 2, &signs, 4);
  }
}

void encode(const BookPart& part, BlockIQ2_XS* block) {
  const BookBlock found =
      fit_block(part, SignedGroup(part, part.books.iq2_xs.entries(), true, 16, 43), kMultiplesIq2);
  block->d = found.d;
  for (int j = 0; j < 32; ++j) {
    const Choice& choice = found.choices[j / 2];
    block->quarters[j] =
        static_cast<uint16_t>(choice.entries[j % 2] | (choice.signs[j % 2] & 127) << 9);
  }
  for (int g = 0; g < 8; ++g)
    block->scales[g] = static_cast<uint8_t>(found.scales[2 * g] | found.scales[2 * g + 1] << 4);
}

void encode(const BookPart& part, BlockIQ2_S* block) {
  const BookBlock found =
      fit_block(part, SignedGroup(part, part.books.iq2_s.entries(), false, 16, 43), kMultiplesIq2);
  block->d = found.d;
  std::memset(block->high, 0, sizeof block->high);
  for (int j = 0; j < 32; ++j) {
    const Choice& choice = found.choices[j / 2];
    block->low[j] = static_cast<uint8_t>(choice.entries[j % 2]);
    block->signs[j] = static_cast<uint8_t>(choice.signs[j % 2]);
    block->high[j / 4] |= static_cast<uint8_t>(choice.entries[j % 2] >> 8 << (j % 4 * 2));
  }
  for (int g = 0; g < 8; ++g)
    block->scales[g] = static_cast<uint8_t>(found.scales[2 * g] | found.scales[2 * g + 1] << 4);
}

void encode(const BookPart& part, BlockIQ3_XXS* block) {
  const BookBlock found = fit_block(
      part, SignedGroup(part, part.books.iq3_xxs.entries(), true, 32, 62), kMultiplesIq3Xxs);
  block->d = found.d;
  for (int g = 0; g < 8; ++g) {
    const Choice& choice = found.choices[g];
    int eights[4];
    for (int j = 0; j < 4; ++j) eights[j] = choice.signs[2 * j] | choice.signs[2 * j + 1] << 4;
    for (int i = 0; i < 8; ++i) block->places[8 * g + i] = static_cast<uint8_t>(choice.entries[i]);
    const uint32_t signs = pack_even_signs(eights, found.scales[g]);
    std::memcpy(block->groups[g], &signs, 4);
  }
}

void encode(const BookPart& part, BlockIQ3_S* block) {
  const BookBlock found =
      fit_block(part, SignedGroup(part, part.books.iq3_s.entries(), false, 32, 15), kMultiplesIq3S);
  block->d = found.d;
  std::memset(block->high, 0, sizeof block->high);
  std::memset(block->scales, 0, sizeof block->scales);
  for (int g = 0; g < 8; ++g) {
    const Choice& choice = found.choices[g];
    for (int i = 0; i < 8; ++i) {
      block->low[8 * g + i] = static_cast<uint8_t>(choice.entries[i]);
      block->high[g] |= static_cast<uint8_t>(choice.entries[i] >> 8 << i);
    }
    for (int j = 0; j < 4; ++j)
      block->signs[4 * g + j] =
          static_cast<uint8_t>(choice.signs[2 * j] | choice.signs[2 * j + 1] << 4);
    block->scales[g / 2] |= static_cast<uint8_t>(found.scales[g] << (g % 2 * 4));
  }
}

void encode(const BookPart& part, BlockIQ1_S* block) {
  const BookBlock found = fit_block(part, ShiftedGroup(part, true, 32), kMultiplesIq1);
  block->d = found.d;
  for (int g = 0; g < 8; ++g) {
    const Choice& choice = found.choices[g];
    int high = found.scales[g] << 12 | (choice.below[0] ? 0x8000 : 0);
    for (int j = 0; j < 4; ++j) {
      block->low[4 * g + j] = static_cast<uint8_t>(choice.entries[j]);
      high |= choice.entries[j] >> 8 << (3 * j);
    }
    block->high[g] = static_cast<uint16_t>(high);
  }
}

void encode(const BookPart& part, BlockIQ1_M* block) {
  const BookBlock found = fit_block(part, ShiftedGroup(part, false, 16), kMultiplesIq1);
  std::memset(block, 0, sizeof *block);
  for (int j = 0; j < 32; ++j) {
    const Choice& choice = found.choices[j / 2];
    const int entry = choice.entries[j % 2];
    block->low[j] = static_cast<uint8_t>(entry);
    const int nibble = entry >> 8 | (choice.below[j % 2] ? 8 : 0);
    block->high[j / 2] |= static_cast<uint8_t>(nibble << (j % 2 * 4));
  }
  for (int g = 0; g < 16; ++g)
    block->scales[g / 4] |= static_cast<uint16_t>(found.scales[g] << (g % 4 * 3));
  for (int q = 0; q < 4; ++q)
    block->scales[q] |= static_cast<uint16_t>((found.d >> (4 * q) & 15) << 12);
}

}  // namespace issun::quantize
