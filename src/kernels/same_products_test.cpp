#include "kernels/same_products.h"

#include <doctest/doctest.h>

#include <utility>

#include "kernels/dispatch.h"
#include "tensor/dtype.h"

namespace issun::kernels {

TEST_CASE("Every instruction set multiplies as the scalar one does") {
  const KernelTable& scalar = *available_kernels().front();
  for (const KernelTable* table : available_kernels()) {
    CAPTURE(table->name);
    CHECK(same_products(*table, scalar));
  }
}

TEST_CASE("An instruction set with one wrong product is found out") {
  static const KernelTable& right = *available_kernels().back();
  constexpr int kType = static_cast<int>(DType::Q5_K);
  KernelTable wrong = right;
  wrong.dot_q8[kType] = [](const LinearTask* task, int64_t begin, int64_t end, void* scratch) {
    right.dot_q8[kType](task, begin, end, scratch);
    std::swap(task->out[begin], task->out[end - 1]);
  };
  CHECK(!same_products(wrong, right));
  wrong = right;
  wrong.panel_q8[kType] = [](const LinearTask* task, int64_t begin, int64_t end, void* scratch) {
    right.panel_q8[kType](task, begin, end, scratch);
    std::swap(task->out[begin], task->out[end - 1]);
  };
  CHECK(!same_products(wrong, right));
  wrong = right;
  wrong.quantise = [](const float* x, int columns, void* q8) {
    right.quantise(x, columns, q8);
    static_cast<Q8Block*>(q8)->q[3] ^= 1;
  };
  CHECK(!same_products(wrong, right));
}

}  // namespace issun::kernels
