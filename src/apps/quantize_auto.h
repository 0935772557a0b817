// quantize without a type: one for each tensor, searched for a size or a damage.
#pragma once

#include "apps/commands.h"
#include "apps/json.h"
#include "measure/mixture_search.h"

namespace issun::apps {

struct AutoFlags {
  std::string budget, types, calibration, probes;
  double divergence = 0;  // 0: not given
  int64_t tokens = 2048;
  int refine = 0;

  void add(CLI::App& command);
  bool wanted() const { return !budget.empty() || divergence > 0; }
  // What is given without a goal. Empty: nothing.
  std::string misplaced(bool beside_method) const;
  // Searches with the rules and the importance of `plan`.
  Result<measure::MixtureReport> search(const std::string& model, const gguf::GgufFile& source,
                                        const quantize::PlanOptions& plan, int threads) const;
  // Error: a file of another size than was asked for.
  Result<void> check_size(const std::string& out) const;
};

Json mixture_json(const measure::MixtureReport& report);
void print_mixture(const measure::MixtureReport& report, double seconds);
std::vector<std::string> recipe_comments(const measure::MixtureReport& report);

}  // namespace issun::apps
