#include "simd/avx512.h"

#define ISSUN_TABLE kTableAvx512
#define ISSUN_NAME "avx512"
#include "kernels/table.inl"
