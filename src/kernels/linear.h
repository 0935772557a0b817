// Matrix products of a model: which kernel, which rows on which worker. Nothing here allocates per
// call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/memory.h"
#include "base/result.h"
#include "base/threads.h"
#include "kernels/kernels.h"
#include "tensor/tensor.h"

namespace issun::kernels {

// Bytes of one row of `columns` activations as Q8Blocks.
int64_t q8_bytes(int64_t columns);

// The kernels for few tokens, those for many, and those for many in bf16: their sums differ in
// order, and so in bits. `exact`: F32 throughout.
enum class ProductFamily { Dot, Panel, Brains };
ProductFamily family_for(const KernelTable& table, DType weights, bool exact, int64_t tokens);
// Whether a row of any matrix has the same bits in a batch of so many tokens as in the other.
bool same_families(const KernelTable& table, bool exact, int64_t tokens, int64_t other);

// How a product reads its activations: floats, Q8Blocks, or planes of bf16.
enum class ActivationForm { Floats, Q8, Brains };
// Floats for weights that are F32, or floats of 16 bits that no kernel of the table takes in bf16,
// and for everything when `exact` asks for F32 throughout.
ActivationForm form_for(const KernelTable& table, DType weights, bool exact, int64_t tokens);
// Whether what wants one form can be read from rows that are prepared in the other, or can still be
// prepared: there is room for one form beside floats.
constexpr bool goes_with(ActivationForm wanted, ActivationForm prepared) {
  return wanted == prepared || wanted == ActivationForm::Floats ||
         prepared == ActivationForm::Floats;
}
// Bytes of a prepared row, of the largest form that a table has.
int64_t prepared_bytes(const KernelTable& table, int64_t columns);

// The rows (tokens, columns) of activations that a product reads: always as floats, and in one
// other form once prepare() has been called. Buffers belong to the caller.
struct Activations {
  Matrix<const float> rows;  // (tokens, columns)
  // tokens * prepared_bytes(table, columns), 64-byte aligned; room for it, or nullptr.
  std::byte* prepared = nullptr;
  ActivationForm form = ActivationForm::Floats;  // of what is prepared
  int tokens() const { return static_cast<int>(rows.rows); }
};

// Fills activations.prepared from activations.rows, unless that is done or the form is Floats. Once
// serves all products that read the same rows.
void prepare(const KernelTable& table, Workers& workers, ActivationForm form,
             Activations& activations);
// The rows [first, end) of them alone, whatever has been prepared; the form is left as it is.
void prepare_rows(const KernelTable& table, Workers& workers, ActivationForm form,
                  const Activations& activations, int64_t first, int64_t end);

// out(t, r) = weights row r . activations row first + t
struct Product {
  Tensor weights;     // rows() x columns(); more than two dimensions count as rows
  Matrix<float> out;  // (tokens, rows)
  int64_t first = 0;
};
constexpr size_t kMostProducts = 32;  // of one call

// Memory the products need: one piece of scratch per worker.
class LinearScratch {
 public:
  static Result<LinearScratch> create(int workers);
  void* of(int worker) const { return buffer_.data() + worker * kScratchBytes; }

 private:
  AlignedBuffer buffer_;
};

// Several products that read the same activations, in one parallel region (q k v; gate and up).
// All weights must be of computable types with activations.rows.columns columns (checked at load).
// Those that want them in another form than floats need them prepared. The result has the same bits
// for any number of workers. `tokens` chooses the family: of the whole batch where a product takes
// some of its rows; 1 where each row is to have the bits that it has alone.
void linear(const KernelTable& table, Workers& workers, const LinearScratch& scratch,
            const Activations& activations, std::span<const Product> products, bool exact,
            int64_t tokens);
// As many tokens as there are rows.
void linear(const KernelTable& table, Workers& workers, const LinearScratch& scratch,
            const Activations& activations, std::span<const Product> products, bool exact = false);

// Row r of a tensor as floats: an embedding. out has weights.columns() values.
void embed_row(const KernelTable& table, const Tensor& weights, int64_t r, std::span<float> out);

// nullptr, or why products with weights of this type and row length cannot be computed.
const char* why_not_computable(const KernelTable& table, DType type, int64_t columns);

}  // namespace issun::kernels
