// Reports as JSON text.
#pragma once

#include "measure/json_text.h"

namespace issun::apps {

using Json = nlohmann::ordered_json;
using measure::dump;

}  // namespace issun::apps
