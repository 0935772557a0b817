#include "simd/neon.h"

#define ISSUN_SEARCHES kSearchesNeon
#define ISSUN_NAME "neon"
#include "kernels/search.inl"
