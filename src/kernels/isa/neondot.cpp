#include "simd/neon.h"

#define ISSUN_TABLE kTableNeonDot
#define ISSUN_NAME "neondot"
#include "kernels/table.inl"
