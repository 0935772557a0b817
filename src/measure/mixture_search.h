// A type for every tensor of a model, chosen by what it costs: the least damage within a size, or
// the least size within a damage. docs/quantisation.md, "Automatic mixtures".
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "measure/trial_model.h"
#include "quantize/plan.h"

namespace issun::measure {

struct MixtureOptions {
  // One of the three. Bytes: of all tensors with their padding; bits: of those bytes, a weight;
  // divergence: nats on the calibration text, which has to be there.
  std::optional<int64_t> bytes;
  std::optional<double> bits_per_weight, divergence;
  std::vector<DType> types;  // to choose from
  // None: damage is estimated by each tensor's own error.
  std::optional<TrialText> calibration;
  std::string probes;  // file that keeps what was measured, and is read if it is there; empty: none
  int refine = 0;      // measurements more, at most, to better the choice where it stands
  int threads = 1;
  std::function<void(const std::string&)> progress = {};
};

// All that are worth trying, if nobody says otherwise.
std::vector<DType> usual_types();

struct TensorChoice {
  std::string name;
  DType type = DType::F32;
  int64_t values = 0, bytes = 0;
  double damage = 0;  // predicted; nats where it is measured
};

struct MixtureReport {
  std::vector<TensorChoice> tensors;   // those that types are chosen for
  bool measured = false;               // damages in nats; else sums of relative squared errors
  double predicted = 0;                // sum of the damages
  double bound = 0;                    // what, by these predictions, no choice does better than
  std::optional<Estimate> divergence;  // measured with all of them
  int64_t bytes = 0, values = 0;       // of all tensors of the file
  int64_t measurements = 0;
  std::vector<std::string> notes;

  double bits_per_weight() const {
    return 8 * static_cast<double>(bytes) / static_cast<double>(values);
  }
  // By name, for PlanOptions.
  std::vector<quantize::TypeRule> rules() const;
};

// plan: importance, whether quantised sources are taken, and rules, which tensors that they hold
// for keep to. source: the file at `path`. Error: a goal that cannot be reached (with what can be),
// as make_plan and TrialModel::open, a file of probes that belongs to something else, or Ctrl-C.
Result<MixtureReport> search_mixture(const std::string& path, const gguf::GgufFile& source,
                                     const quantize::PlanOptions& plan,
                                     const MixtureOptions& options);

}  // namespace issun::measure
