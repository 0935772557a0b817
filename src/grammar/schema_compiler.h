// From the text of a JSON Schema to the tables of its values.
#pragma once

#include <string_view>

#include "grammar/json_rules.h"
#include "grammar/work.h"

namespace issun::grammar {

// Error: what read_schema refuses; conditions that take too many combinations to tell apart; a
// schema that no value satisfies; more work than is left, which it takes from.
Result<JsonRules> compile_schema(std::string_view json, Work& left);

// Takes away what no finite value can satisfy, so that whatever is begun can be completed. Error:
// nothing is left, or counting takes too much room.
Result<void> prune(JsonRules& rules);

}  // namespace issun::grammar
