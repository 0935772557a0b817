#include "apps/experts.h"

namespace issun::apps {

void add_experts(CLI::App& app, Action& action) {
  auto* experts =
      app.add_subcommand("experts", "mixtures of experts larger than memory: what a cache can do");
  experts->require_subcommand(1);
  add_experts_trace(*experts, action);
  add_experts_replay(*experts, action);
  add_experts_report(*experts, action);
}

}  // namespace issun::apps
