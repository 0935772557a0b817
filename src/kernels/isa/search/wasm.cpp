#include "simd/wasm.h"

#define ISSUN_SEARCHES kSearchesWasm
#define ISSUN_NAME "wasm"
#include "kernels/search.inl"
