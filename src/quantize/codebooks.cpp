#include "quantize/codebooks.h"

namespace issun::quantize {

namespace {

template <int kEntries, int kValues>
void transpose(const Codebook<kEntries, kValues>& book, int factor, int plus,
               Transposed<kEntries, kValues>* out) {
  for (int e = 0; e < kEntries; ++e) {
    for (int i = 0; i < kValues; ++i)
      out->values[i][e] = static_cast<int8_t>(book.values[e][i] * factor + plus);
  }
}

}  // namespace

std::unique_ptr<const Codebooks> Codebooks::create() {
  auto books = std::make_unique<Codebooks>();
  transpose(kCodebookIq2Xxs, 1, 0, &books->iq2_xxs);
  transpose(kCodebookIq2Xs, 1, 0, &books->iq2_xs);
  transpose(kCodebookIq2S, 1, 0, &books->iq2_s);
  transpose(kCodebookIq3Xxs, 1, 0, &books->iq3_xxs);
  transpose(kCodebookIq3S, 1, 0, &books->iq3_s);
  transpose(kCodebookIq1, 8, 1, &books->iq1[0]);
  transpose(kCodebookIq1, 8, -1, &books->iq1[1]);
  return books;
}

}  // namespace issun::quantize
