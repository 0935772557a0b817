#include "simd/avx2.h"

#define ISSUN_TABLE kTableAvx2Vnni
#define ISSUN_NAME "avx2vnni"
#include "kernels/table.inl"
