// What the matrices of a model are multiplied with while it reads a text.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"

namespace issun::measure::lab {

struct InputRows {
  std::vector<float> values;  // (rows, columns), one after another as the model met them
  int64_t columns = 0;
  int64_t rows() const { return columns > 0 ? static_cast<int64_t>(values.size()) / columns : 0; }
};

struct Inputs {
  int64_t tokens = 0;  // that were read
  // Of the matrices that were asked for; of a stack of experts, what all of them met.
  std::map<std::string, InputRows, std::less<>> rows;
  // Of all matrices: mean squares of the columns.
  std::map<std::string, std::vector<double>, std::less<>> mean_squares;
};

struct InputOptions {
  std::string model, text;  // files
  int64_t tokens = 1024;    // of the text's beginning, at most
  int threads = 0;
  std::vector<std::string> wanted;  // names of matrices whose rows are kept
  std::function<void(int64_t done, int64_t all)> progress = {};
};

// Reads the text in windows of at most 512 tokens, in F32 arithmetic. Error: the model, the text,
// or a text of fewer than 2 tokens.
Result<Inputs> read_inputs(const InputOptions& options);

}  // namespace issun::measure::lab
