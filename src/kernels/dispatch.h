// Which instruction set to use: chosen once, from what the processor has and what ISSUN_ISA asks
// for.
#pragma once

#include <vector>

#include "base/result.h"
#include "kernels/kernels.h"

namespace issun::kernels {

// The fastest table that this processor can run, or the one that the environment variable ISSUN_ISA
// names (scalar; avx2, avx2vnni, avx512, avx512bf16, amx on x86-64; neon, neondot, neoni8mm on
// ARM64; wasm, wasmrelaxed in WebAssembly). Error: an unknown name, or the processor lacks what it
// needs.
Result<const KernelTable*> choose_kernels();

// A table whose many tokens are multiplied on tiles, which are kept by reference.
KernelTable with_tiles(const KernelTable& table, const TileKernels& tiles);

// Every table this processor can run, slowest first. Never empty: scalar is always there.
std::vector<const KernelTable*> available_kernels();

}  // namespace issun::kernels
