#include "simd/avx2.h"

#define ISSUN_SEARCHES kSearchesAvx2
#define ISSUN_NAME "avx2"
#include "kernels/search.inl"
