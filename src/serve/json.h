// JSON of requests and answers.
#pragma once

#include "measure/json_text.h"

namespace issun::serve {

using Json = nlohmann::ordered_json;
using measure::dump;

}  // namespace issun::serve
