#include "simd/scalar.h"

#define ISSUN_TABLE kTableScalar
#define ISSUN_NAME "scalar"
#include "kernels/table.inl"
