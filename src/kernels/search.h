// Which searches to use: those of the instruction set that was chosen for the kernels. Apart from
// KernelTable, since nothing but quantising calls them.
#pragma once

#include <vector>

#include "base/result.h"
#include "kernels/search_tasks.h"

namespace issun::kernels {

// The table that goes with choose_kernels(). Error: as there.
Result<const SearchTable*> choose_searches();
// As available_kernels().
std::vector<const SearchTable*> available_searches();

}  // namespace issun::kernels
