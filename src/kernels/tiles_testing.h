// Tables whose many tokens are multiplied on tiles, where no processor has any.
#pragma once

#include <vector>

#include "kernels/kernels.h"

namespace issun::kernels::testing {

// The scalar table with tiles in plain C++, for batches that are more than few.
const KernelTable& plain_tiles();

// available_kernels() and that one.
std::vector<const KernelTable*> kernels_and_plain_tiles();

}  // namespace issun::kernels::testing
