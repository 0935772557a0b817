// issun bench speculation: what guessing tokens brings, a command of the command that measures.
#pragma once

#include "apps/commands.h"

namespace issun::apps {

// After the options and the callback of `bench`, which this takes the place of.
void add_bench_speculation(CLI::App& bench, Action& action);

}  // namespace issun::apps
