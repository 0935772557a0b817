#include "simd/neon.h"

#define ISSUN_TABLE kTableNeonI8mm
#define ISSUN_NAME "neoni8mm"
#include "kernels/table.inl"
