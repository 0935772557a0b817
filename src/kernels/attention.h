// Which of a table's ways to attend the rows of a text take.
#pragma once

#include <cstdint>

#include "kernels/kernels.h"
#include "tensor/dtype.h"

namespace issun::kernels {

struct AttentionUse {
  DType key_type, value_type;  // of the cache
  DType output;                // of the weights that meet what is attended
  bool exact;                  // F32 throughout
  int64_t batch_tokens;        // that chose the family of those products
  int64_t text_rows;           // of queries, of one text in that batch, that share keys and values
};
// On tiles where those products are; else in words, whose rounding is about that of F16 or less,
// unless a cache is F32, from so many rows on as they are faster; else the one that suits few rows.
const AttentionKernels& attention_for(const KernelTable& table, const AttentionUse& use);
// Caches of floats cost little to turn into words beside what they cost otherwise.
constexpr int64_t kLeastRowsOfFloats = 32, kLeastRowsOfBlocks = 128;

// Whether what one text attends to has the same bits with so many rows as with the other, in caches
// of any type.
bool same_attention(const KernelTable& table, bool exact, int64_t rows, int64_t other);

// What any of the ways needs as scratch.
int64_t attention_scratch_bytes(const KernelTable& table, int key_width, int value_width);
// The most query rows that share one conversion of keys and values.
int attention_rows(const KernelTable& table, bool exact);

}  // namespace issun::kernels
