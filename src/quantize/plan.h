// Which type each tensor of a file gets, before a byte is written, and everything that speaks
// against it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/reader.h"
#include "quantize/importance.h"
#include "quantize/method.h"
#include "quantize/mixture.h"

namespace issun::quantize {

// Tensors whose names the pattern (a regular expression) is found in get the type; a pattern that
// is the whole name of a tensor means that one alone.
struct TypeRule {
  std::string pattern;
  DType type;
};

struct PlanOptions {
  // nullptr: tensors keep the types they have.
  const FileType* file_type = nullptr;
  std::vector<TypeRule> rules;  // the first that holds decides
  const Importance* importance = nullptr;
  bool allow_requantize = false;
  Method method = Method::Search;
  // A calibration text will tell the importance of the layers' matrices, which then lacks nowhere.
  bool calibrated = false;
};

struct PlannedType {
  Tensor tensor;  // of the source
  DType type;
  std::optional<DType> wanted = {};   // which its rows do not divide into
  const float* importance = nullptr;  // (parts, columns)
  int64_t importance_parts = 1;       // 1, or as many as the tensor has matrices
  bool by_rule = false;               // one of PlanOptions::rules decided
};

struct Plan {
  std::vector<PlannedType> tensors;  // in the order of the source, which has to outlive this
  // Quantised without weights although there are some for others; sentences about the importance.
  std::vector<std::string> without_importance, notes;
};

// Whether `tensor` is one that types are chosen for, and may have this one: its rows are whole
// blocks, and importance is there where the result would be worthless without.
bool may_have(const Tensor& tensor, DType type, const Importance* importance);

// The layer a name says (blk.3.ffn_up.weight); -1: none.
int layer_of(std::string_view name);

// The file type named after the format that most weights of the plan have.
const FileType* main_file_type(const Plan& plan);

// Error: a rule that is no regular expression or names no matrix, importance that is missing where
// the result would be worthless without or that has another shape than its tensor, a source that is
// quantised already, a tensor that has no numbers to convert.
Result<Plan> make_plan(const gguf::GgufFile& source, const PlanOptions& options);

}  // namespace issun::quantize
