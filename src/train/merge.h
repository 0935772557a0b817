// Adapters into the matrices that they stand beside.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "model/model.h"

namespace issun::train {

struct MergeOptions {
  // Of the merged matrices; none: what each has in the file.
  std::optional<DType> type = {};
  std::function<void(int64_t done, int64_t all)> progress = {};  // in rows of the whole file
};

struct MergeReport {
  int64_t merged = 0;  // tensors
  // Root of the mean square of what rounding to the type changed, in units of that of the merged
  // weights: how far the file is off from W + B A. 0 for F32.
  double relative_error = 0;
};

// Writes the model with its adapters (model::add_adapter) added to their matrices, a row at a time.
// Error: no adapter; a type that cannot be written; the disk.
Result<MergeReport> merge_adapters(const model::Model& model, const std::string& path,
                                   const MergeOptions& options);

}  // namespace issun::train
