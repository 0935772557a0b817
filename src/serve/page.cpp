#include "serve/page.h"

namespace issun::serve {

std::span<const Asset> page_assets() { return {}; }

}  // namespace issun::serve
