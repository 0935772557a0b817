// By what each LoRA adapter counts, as clients say it.
#pragma once

#include <string>
#include <vector>

#include "serve/fields.h"

namespace issun::serve {

// Of [{"id": 0, "scale": 0.5}, ...], at `path`, for so many adapters: one scale each, 0 where the
// list does not name it.
std::vector<float> read_adapter_scales(const Json& list, const std::string& path, size_t adapters);

}  // namespace issun::serve
