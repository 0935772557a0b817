// Which weights stay in memory and which come and go, and how each lies in the memory it is given.
#pragma once

#include <vector>

#include "model/residency.h"

namespace issun::model {

// The tensors of the file that no unit is part of.
struct PinnedLayout {
  std::vector<Tensor> tensors;
  experts::Placement placement;  // of all in one piece of memory
};

// The experts of a twin.
struct TwinLayout {
  std::vector<Tensor> tensors;   // in the order of the model's units and their matrices
  std::vector<size_t> order;     // of these, as the file has them
  experts::Placement placement;  // in that order
};

struct ResidencyLayout {
  std::vector<experts::Group> groups;
  std::vector<std::vector<std::vector<Tensor*>>> tensors;  // of each unit of each group
  std::vector<int> group_of, layer_of;                     // of each layer, -1: none; of each group
  PinnedLayout pinned;
  TwinLayout twin;  // empty without one
};

// Error: a model that is not in a file; a twin whose experts have other shapes.
Result<ResidencyLayout> lay_out(Weights& weights, const gguf::GgufFile& file,
                                const ResidencyOptions& options);
// Error: a budget that is too small, with both numbers; more guesses than experts are used.
Result<ResidencyPlan> make_plan(const ResidencyLayout& layout, const Weights& weights,
                                const ResidencyOptions& options);

}  // namespace issun::model
