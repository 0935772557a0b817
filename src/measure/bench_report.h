// A benchmark's figures: rates as shares of what the machine can do, for people and as a line of
// JSON.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "engine/runtime.h"
#include "measure/bench.h"
#include "measure/bench_profile.h"
#include "measure/machine.h"

namespace issun::measure {

// What a token costs in a case, from the shapes of the model alone.
struct TokenCost {
  double bytes =
      0;  // read from memory: weights, and the keys and values of all tokens before, on average
  double operations = 0;  // in the matrices, a multiplication and an addition counted as two;
                          // attention is not in it
  // Of numbers of 8 bits, bf16 or F32.
  kernels::ActivationForm arithmetic = kernels::ActivationForm::Floats;
};
TokenCost token_cost(const BenchCase& bench_case, engine::Runtime& runtime);

// All figures of a case. peak_memory: of the process, after the case.
struct BenchFigures {
  BenchTimes times;
  TokenCost cost;
  MachinePeaks peaks;
  engine::RuntimeOptions options;
  std::string model_path, model_name, isa;
  int64_t model_bytes = 0;
  long long peak_memory = 0;
  std::optional<CaseProfile> profile;
};

// Whole, to be kept: also the machine, its peaks and the version. One line.
nlohmann::ordered_json to_json(const BenchFigures& figures, const std::string& version);

// The head of a table, and a row of it.
std::string table_head();
std::string table_row(const BenchFigures& figures);

}  // namespace issun::measure
