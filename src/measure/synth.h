// Synthetic models: files with the exact shape, tensor types and vocabulary size of a public model
// and random weights. For speed and memory measurements without a download; the text they write is
// noise.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "measure/shape.h"
#include "quantize/mixture.h"

namespace issun::measure {

struct SynthOptions {
  uint64_t seed = 1;  // the same seed, shape and file type make the same file
  // Called now and then with the bytes written and those there will be.
  std::function<void(int64_t done, int64_t total)> progress;
};

struct SynthReport {
  int64_t tensors = 0;
  int64_t parameters = 0;
  int64_t weight_bytes = 0;
};

// Writes the file front to back, never holding more than a few rows of it. Matrices have standard
// deviation 1 / sqrt(columns), so that activations keep their size from layer to layer; gains of
// norms lie about 1. Error: the mixture needs a type that cannot be written yet (named, with the
// tensor), or the disk.
Result<SynthReport> write_synthetic(const Shape& shape, const quantize::FileType& file_type,
                                    const std::string& path, const SynthOptions& options = {});

}  // namespace issun::measure
