// What a search for a mixture chooses between: the tensors whose types are free, the types each may
// have, and what each costs.
#pragma once

#include <string>
#include <vector>

#include "gguf/reader.h"
#include "quantize/allocation.h"
#include "quantize/plan.h"

namespace issun::measure {

// A tensor to choose a type for.
struct MixtureItem {
  std::string name;
  int64_t values = 0;
  std::vector<quantize::PlannedType> ways;
  std::vector<double> errors;        // of each way, weighted by importance
  double sensitivity = 0;            // damage for each unit of error
  quantize::PlannedType probe = {};  // the way that damage is measured with
  double probe_error = 0;
  int chosen = 0;

  const quantize::PlannedType& way() const { return ways[static_cast<size_t>(chosen)]; }
  double damage(int way) const { return sensitivity * errors[static_cast<size_t>(way)]; }
};

struct MixtureItems {
  std::vector<MixtureItem> items;
  int64_t fixed_bytes = 0;                   // of all other tensors of the file
  std::vector<quantize::PlannedType> ruled;  // of those, what the plan's own rules change
  int64_t values = 0;                        // of all tensors
  std::vector<std::string> notes;
};

// Of a tensor in a file, with its padding.
int64_t stored_bytes(const gguf::GgufFile& file, const Tensor& tensor, DType type);

// Those of `source` that `plan` has no rule for and at least one of the types fits; without errors
// and sensitivities. Error: none, or as make_plan.
Result<MixtureItems> find_items(const gguf::GgufFile& source, const quantize::PlanOptions& plan,
                                const std::vector<DType>& types);

// Of each item, its ways.
std::vector<std::vector<quantize::Choice>> choices(const gguf::GgufFile& source,
                                                   const std::vector<MixtureItem>& items);

}  // namespace issun::measure
