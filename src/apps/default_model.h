// The model that comes with the program, inside it.
#pragma once

#include <cstddef>
#include <span>

namespace issun::apps {

constexpr const char* kDefaultModelName = "issun-27m (built in)";

// The GGUF file, whole.
std::span<const std::byte> default_model();

}  // namespace issun::apps
