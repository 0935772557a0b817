#include "kernels/attention.h"

#include <algorithm>

#include "kernels/linear.h"

namespace issun::kernels {

namespace {

bool has_words(const KernelTable& table, bool exact) {
  return table.attention_in_words.attend != nullptr && !exact;
}

bool is_float(DType type) { return facts(type).block == 1; }

// All that there are.
template <class Body>
void each_way(const KernelTable& table, bool exact, Body&& body) {
  body(table.attention);
  if (has_words(table, exact)) body(table.attention_in_words);
  if (table.tiles != nullptr && !exact) body(table.tiles->attention);
}

}  // namespace

const AttentionKernels& attention_for(const KernelTable& table, const AttentionUse& use) {
  if (table.tiles != nullptr &&
      form_for(table, use.output, use.exact, use.batch_tokens) == ActivationForm::Brains)
    return table.tiles->attention;
  const bool rounded = use.key_type != DType::F32 && use.value_type != DType::F32;
  const int64_t least =
      is_float(use.key_type) && is_float(use.value_type) ? kLeastRowsOfFloats : kLeastRowsOfBlocks;
  return rounded && has_words(table, use.exact) && use.text_rows >= least ? table.attention_in_words
                                                                          : table.attention;
}

bool same_attention(const KernelTable& table, bool exact, int64_t rows, int64_t other) {
  const auto alike = [&](int64_t least) { return (rows >= least) == (other >= least); };
  return !has_words(table, exact) || (alike(kLeastRowsOfFloats) && alike(kLeastRowsOfBlocks));
}

int64_t attention_scratch_bytes(const KernelTable& table, int key_width, int value_width) {
  int64_t most = 0;
  each_way(table, false, [&](const AttentionKernels& way) {
    most = std::max(most, way.scratch_bytes(key_width, value_width));
  });
  return most;
}

int attention_rows(const KernelTable& table, bool exact) {
  int most = 0;
  each_way(table, exact, [&](const AttentionKernels& way) { most = std::max(most, way.rows); });
  return most;
}

}  // namespace issun::kernels
