// What the program calls itself.
#pragma once

namespace issun::apps {
constexpr const char* kVersion = ISSUN_VERSION;
}
