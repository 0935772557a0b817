// Number formats by their GGUF type id: names, block lengths, bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"

namespace issun {

// The ids are those of the file format (GGUF, ggml_type).
enum class DType : int32_t {
  F32 = 0,
  F16 = 1,
  Q4_0 = 2,
  Q4_1 = 3,
  Q5_0 = 6,
  Q5_1 = 7,
  Q8_0 = 8,
  Q2_K = 10,
  Q3_K = 11,
  Q4_K = 12,
  Q5_K = 13,
  Q6_K = 14,
  IQ2_XXS = 16,
  IQ2_XS = 17,
  IQ3_XXS = 18,
  IQ1_S = 19,
  IQ4_NL = 20,
  IQ3_S = 21,
  IQ2_S = 22,
  IQ4_XS = 23,
  I8 = 24,
  I16 = 25,
  I32 = 26,
  I64 = 27,
  F64 = 28,
  IQ1_M = 29,
  BF16 = 30,
  TQ1_0 = 34,
  TQ2_0 = 35,
  MXFP4 = 39,
  NVFP4 = 40,
  Q1_0 = 41,
  Q2_0 = 42,
};

struct DTypeFacts {
  DType type;
  const char* name;  // as people write it: "Q4_K"
  int block;         // values in a block
  int bytes;         // bytes of a block
  bool computable;   // has a decoder and kernels here; the others are read and named, but not run
};

// Error for ids that no format has, and, by their old name, for ids that were removed from the
// format.
Result<DTypeFacts> dtype_facts(int32_t id);
// For a type that is known to be valid.
const DTypeFacts& facts(DType type);
inline const char* name(DType type) { return facts(type).name; }
// By name, upper or lower case; nullopt if there is none.
std::optional<DType> dtype_from_name(std::string_view name);

// Bytes of a row of `columns` values. columns must be a multiple of the block (checked at load).
inline int64_t row_bytes(DType type, int64_t columns) {
  return columns / facts(type).block * facts(type).bytes;
}

}  // namespace issun
