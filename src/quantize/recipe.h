// Recipes: which tensor gets which type, as lines of a text file that a person can read and edit.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "quantize/plan.h"

namespace issun::quantize {

// Lines "PATTERN TYPE", in the order in which they decide; empty ones, and those that begin with a
// #, say nothing. `name` stands in messages. Error: another line, by its number.
Result<std::vector<TypeRule>> parse_recipe(std::string_view text, std::string_view name);
// The other way round, behind comment lines.
std::string write_recipe(const std::vector<TypeRule>& rules,
                         const std::vector<std::string>& comments);

}  // namespace issun::quantize
