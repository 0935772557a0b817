// issun quantize lab: the laboratory, a command of the command that quantises.
#pragma once

#include "apps/commands.h"

namespace issun::apps {

// After the options and the callback of `quantize`, which the laboratory takes the place of.
void add_quantize_lab(CLI::App& quantize, Action& action);

}  // namespace issun::apps
