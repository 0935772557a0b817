#include "simd/wasm.h"

#define ISSUN_TABLE kTableWasmRelaxed
#define ISSUN_NAME "wasmrelaxed"
#include "kernels/table.inl"
