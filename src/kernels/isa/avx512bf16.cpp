#include "simd/avx512.h"

#define ISSUN_TABLE kTableAvx512Bf16
#define ISSUN_NAME "avx512bf16"
#include "kernels/table.inl"
