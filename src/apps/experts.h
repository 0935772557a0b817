// What the commands of `issun experts` share: a file each, experts_*.cpp.
#pragma once

#include "apps/commands.h"
#include "apps/json.h"

namespace issun::apps {

void add_experts_trace(CLI::App& experts, Action& action);
void add_experts_replay(CLI::App& experts, Action& action);
void add_experts_report(CLI::App& experts, Action& action);

}  // namespace issun::apps
