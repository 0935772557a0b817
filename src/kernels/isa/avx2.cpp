#include "simd/avx2.h"

#define ISSUN_TABLE kTableAvx2
#define ISSUN_NAME "avx2"
#include "kernels/table.inl"
