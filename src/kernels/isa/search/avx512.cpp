#include "simd/avx512.h"

#define ISSUN_SEARCHES kSearchesAvx512
#define ISSUN_NAME "avx512"
#include "kernels/search.inl"
