#include "simd/wasm.h"

#define ISSUN_TABLE kTableWasm
#define ISSUN_NAME "wasm"
#include "kernels/table.inl"
