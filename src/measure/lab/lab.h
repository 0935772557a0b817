// The laboratory of quantisation: what each choice costs on a tensor and on a model. docs/
// quantisation.md says what is in the report.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "measure/lab/report.h"

namespace issun::measure::lab {

struct LabOptions {
  std::string model;      // GGUF file
  std::string tensor;     // a name, or a regular expression; empty: one typical matrix
  std::string imatrix;    // file of importance; empty: none
  std::string text;       // file to read for activations; empty: none
  int64_t tokens = 1024;  // of the text, at most
  int64_t rows = 256;     // of each matrix, at most, evenly spread; 0: all
  uint64_t seed = 1;      // of what is drawn
  int threads = 0;        // 0: one for each core
  std::function<void(const std::string& doing)> progress = {};
};

// The most matrices that are looked at one by one.
constexpr size_t kMostMatrices = 8;

// The same options and file give the same report, for any number of threads. Error: the files, a
// name that is none, more matrices than kMostMatrices, weights that are no numbers.
Result<Report> run_lab(const LabOptions& options);

}  // namespace issun::measure::lab
