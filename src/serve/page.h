// The page at /: its files, part of the program (page/).
#pragma once

#include <span>

#include "serve/router.h"

namespace issun::serve {

std::span<const Asset> page_assets();

}  // namespace issun::serve
