// Whether an instruction set multiplies as another one does, for engines that may compute wrongly
// what they offer (a WebAssembly engine's relaxed dot products, DESIGN.md).
#pragma once

#include "kernels/kernels.h"

namespace issun::kernels {

// Runs every kernel of `table` that multiplies 8-bit activations, and the one that rounds them, on
// made-up numbers. True when all agree with those of `trusted`.
bool same_products(const KernelTable& table, const KernelTable& trusted);

}  // namespace issun::kernels
