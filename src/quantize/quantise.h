// A GGUF file into a smaller one, tensor by tensor, and what each of them lost.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/threads.h"
#include "kernels/dispatch.h"
#include "quantize/awq.h"
#include "quantize/calibrated.h"
#include "quantize/encode.h"
#include "quantize/method.h"
#include "quantize/plan.h"

namespace issun::quantize {

struct QuantiseOptions {
  // Written to the file: where the importance comes from, as the user named it.
  std::string importance_path;
  Method method = Method::Search;
  // What the method that needs one knows of the matrices; those it says nothing of are searched.
  Calibration* calibration = nullptr;
  const Stretches* stretches = nullptr;  // of awq
  // Called now and then with the values done and those there are.
  std::function<void(int64_t done, int64_t all)> progress = {};
};

struct TensorReport {
  std::string name;
  DType from, to;
  std::optional<DType> wanted;  // which its rows do not divide into
  int64_t values = 0, bytes = 0;
  bool weighted = false;  // importance was there
  // Root of the mean square of what the values are off by, in units of that of the values; 0 where
  // nothing was converted. Weighted: each square by its column's importance, and so the unit.
  double relative_error = 0, weighted_error = 0;
  // With a calibration text: what the outputs are off by, squared, as a share of their own squares,
  // by the search and as written.
  bool calibrated = false;
  double search_output_error = 0, output_error = 0;
  std::optional<double> stretched_by = {};  // the power of the inputs' magnitudes (awq)
};

struct QuantiseReport {
  std::vector<TensorReport> tensors;
  int64_t values = 0, bytes_before = 0, bytes = 0;  // of all tensors
  double bits_per_weight() const {
    return values > 0 ? 8 * static_cast<double>(bytes) / static_cast<double>(values) : 0;
  }
};

// Writes the plan's file: whole under its name, or not at all. Holds a few rows at a time. The bits
// do not depend on the number of threads. Error: a value that is NaN or infinite (with its tensor,
// row and column), or the disk.
Result<QuantiseReport> quantise(const gguf::GgufFile& source, const Plan& plan,
                                const PlanOptions& plan_options, const QuantiseOptions& options,
                                const std::string& path, Workers& workers);

}  // namespace issun::quantize
