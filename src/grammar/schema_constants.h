// enum and const: the formula of being one of some values.
#pragma once

#include "base/json.h"
#include "grammar/schema_formula.h"

namespace issun::grammar {

// "string", "integer" and so on; 0: none of them.
uint32_t kind_named(std::string_view name);

Result<NodeId> add_constants(Formula& formula, const std::vector<Json>& values);

}  // namespace issun::grammar
