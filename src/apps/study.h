// The commands below `study`.
#pragma once

#include "apps/commands.h"

namespace issun::apps {

void add_study_cpu(CLI::App& study, Action& action);
void add_study_cell(CLI::App& study, Action& action);

}  // namespace issun::apps
