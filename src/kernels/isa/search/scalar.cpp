#include "simd/scalar.h"

#define ISSUN_SEARCHES kSearchesScalar
#define ISSUN_NAME "scalar"
#include "kernels/search.inl"
