#include "tensor/codebooks.h"

namespace issun {

namespace {

// Each entry is one number: the places of its values among the levels, the first one in the lowest
// bits.
#include "tensor/codebook_iq1.inc"
#include "tensor/codebook_iq2.inc"
#include "tensor/codebook_iq3.inc"

template <int kValues, int kEntries, int kLevels>
constexpr Codebook<kEntries, kValues> unpacked(const uint16_t (&packed)[kEntries],
                                               const int8_t (&levels)[kLevels]) {
  constexpr int kBits = kLevels > 4 ? 3 : 2;
  Codebook<kEntries, kValues> book{};
  for (int e = 0; e < kEntries; ++e) {
    for (int i = 0; i < kValues; ++i) {
      book.values[e][i] = levels[packed[e] >> (kBits * i) & ((1 << kBits) - 1)];
    }
  }
  return book;
}

constexpr int8_t kLevelsIq1[] = {-1, 0, 1};
constexpr int8_t kLevelsIq2[] = {8, 25, 43};
constexpr int8_t kLevelsIq3Xxs[] = {4, 12, 20, 28, 36, 44, 52, 62};
constexpr int8_t kLevelsIq3S[] = {1, 3, 5, 7, 9, 11, 13, 15};

}  // namespace

constexpr Codebook<256, 8> kCodebookIq2Xxs = unpacked<8>(kPackedIq2Xxs, kLevelsIq2);
constexpr Codebook<512, 8> kCodebookIq2Xs = unpacked<8>(kPackedIq2Xs, kLevelsIq2);
constexpr Codebook<1024, 8> kCodebookIq2S = unpacked<8>(kPackedIq2S, kLevelsIq2);
constexpr Codebook<256, 4> kCodebookIq3Xxs = unpacked<4>(kPackedIq3Xxs, kLevelsIq3Xxs);
constexpr Codebook<512, 4> kCodebookIq3S = unpacked<4>(kPackedIq3S, kLevelsIq3S);
constexpr Codebook<2048, 8> kCodebookIq1 = unpacked<8>(kPackedIq1, kLevelsIq1);

}  // namespace issun
