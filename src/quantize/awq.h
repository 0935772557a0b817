// Activation-aware stretching (AWQ: Lin et al., 2023, arXiv 2306.00978): columns that meet large
// inputs are made larger before they are rounded, by a power of their inputs' mean magnitude that
// is tried out, and what gives the inputs smaller.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "quantize/calibrated.h"
#include "quantize/folds.h"

namespace issun::quantize {

// What a tensor of the file is multiplied by before it is written, and how it then counts. Empty:
// ones, and nothing known.
struct Stretch {
  std::vector<float> columns, rows;
  std::vector<float> importance;  // (columns), of the stretched matrix
  double power = 0;               // of the mean magnitudes
  // As CalibratedTensor, over the rows that were tried: without stretching, and with it.
  double search_error = 0, error = 0;
};

struct Stretches {
  std::map<std::string, Stretch, std::less<>> tensors;
  std::vector<std::string> notes;
  const Stretch* find(std::string_view name) const;
};

// options.feedback and by_weight count for nothing. Error: as Calibration.
Result<Stretches> find_stretches(const model::Model& model, const Plan& plan,
                                 const CalibrationOptions& options, Workers& workers);

}  // namespace issun::quantize
