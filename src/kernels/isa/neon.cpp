#include "simd/neon.h"

#define ISSUN_TABLE kTableNeon
#define ISSUN_NAME "neon"
#include "kernels/table.inl"
