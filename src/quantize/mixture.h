// Mixtures: a file type such as Q4_K_M names a base format and the tensors that get another one.
// The rules are those of the most used quantiser, so that a file of ours has the same bytes per
// weight as a file of the same name there. Not here: writing the formats.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/dtype.h"

namespace issun::quantize {

struct FileType {
  const char* name;  // "Q4_K_M"
  int32_t id;        // general.file_type
  DType base;
};

std::span<const FileType> file_types();
// By name, upper or lower case; "Q4_K", "Q5_K" and "Q3_K" mean their medium kind. nullptr if there
// is none.
const FileType* file_type_from_name(std::string_view name);

// What the rules ask about a model.
struct MixtureFacts {
  int layers = 0;
  int heads = 0, kv_heads = 0;  // of the first layer
  int experts = 0;
  bool importance = false;  // the rounding will weigh columns by their importance
};

struct PlannedTensor {
  std::string name;
  std::array<int64_t, 4> size{1, 1, 1, 1};  // row length first
};

// Whether a file type says anything about this tensor: matrices called *.weight, without norms,
// routers, positions and other small ones. The others keep the type they have, which is F32 in the
// files that people have.
bool is_quantised(const PlannedTensor& tensor);

// The type for rows that are no whole number of the blocks of `type`: the one that the rules name
// for it, or F16. `type` where it fits.
DType fitting_type(DType type, int64_t columns);

// The types of `tensors`, which are all tensors of the model, layer after layer: some rules count
// the tensors before. Tensors that are not quantised are F32. wanted_types leaves out whether rows
// fit.
std::vector<DType> wanted_types(const FileType& file_type, const MixtureFacts& facts,
                                std::span<const PlannedTensor> tensors);
std::vector<DType> mixture(const FileType& file_type, const MixtureFacts& facts,
                           std::span<const PlannedTensor> tensors);

}  // namespace issun::quantize
