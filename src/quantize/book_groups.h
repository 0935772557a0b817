// Groups of values as entries of codebooks at a scale: IQ1, IQ2 and IQ3. Not here: which scale
// (encode_book.cpp, grid_book.cpp).
#pragma once

#include <array>

#include "quantize/codebooks.h"
#include "quantize/encode_blocks.h"

namespace issun::quantize {

constexpr int kWidest = 8;  // vectors in a group

// What a group became at a scale: x ~ scale * values.
struct GroupChoice {
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

  GroupChoice choose(float scale) const {
    GroupChoice choice;
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

  void take(int v, bool turned, float scale, GroupChoice* choice) const {
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

  GroupChoice choose(float scale) const {
    Vectors::Least found[4][2];
    float sums[2] = {};
    for (int v = 0; v < size / 8; ++v) {
      for (int below = 0; below < 2; ++below) {
        found[v][below] = vectors_.find(2 * v + below, false, scale);
        sums[below] += found[v][below].error;
      }
    }
    GroupChoice choice;
    for (int v = 0; v < size / 8; ++v) {
      const bool below = alike_ ? sums[1] < sums[0] : found[v][1].error < found[v][0].error;
      take(v, below, found[v][below ? 1 : 0].entry, &choice);
    }
    return choice;
  }
  // With all values an eighth below, or above.
  GroupChoice choose_as(bool below, float scale) const {
    GroupChoice choice;
    for (int v = 0; v < size / 8; ++v)
      take(v, below, vectors_.find(2 * v + (below ? 1 : 0), false, scale).entry, &choice);
    return choice;
  }

 private:
  void take(int v, bool below, int entry, GroupChoice* choice) const {
    const int slot = 2 * v + (below ? 1 : 0);
    choice->entries[v] = entry;
    choice->below[v] = below;
    choice->products += vectors_.products(slot)[entry];
    choice->squares += vectors_.squares(slot)[entry];
  }

  const BookPart& part_;
  const bool alike_;
  Vectors vectors_;
};

}  // namespace issun::quantize
