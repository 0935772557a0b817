// The moment at which the golden texts of templates were made, for tests.
#pragma once

#include <cstdint>

namespace issun::chat::jinja {

constexpr int64_t kGoldenClock = 1767268800;  // 2026-01-01 12:00:00

}  // namespace issun::chat::jinja
