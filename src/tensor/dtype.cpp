#include "tensor/dtype.h"

#include <array>

#include "base/check.h"

namespace issun {

namespace {

constexpr int kIds = 43;

// One row per id; `bytes` 0 marks an id that no file may use, whose name then says why.
constexpr std::array<DTypeFacts, kIds> kFacts = [] {
  std::array<DTypeFacts, kIds> table{};
  const auto put = [&](DType type, const char* type_name, int block, int bytes, bool computable) {
    table[static_cast<size_t>(type)] = {type, type_name, block, bytes, computable};
  };
  put(DType::F32, "F32", 1, 4, true);
  put(DType::F16, "F16", 1, 2, true);
  put(DType::BF16, "BF16", 1, 2, true);
  put(DType::Q8_0, "Q8_0", 32, 34, true);
  put(DType::Q4_0, "Q4_0", 32, 18, true);
  put(DType::Q4_K, "Q4_K", 256, 144, true);
  put(DType::Q5_K, "Q5_K", 256, 176, true);
  put(DType::Q6_K, "Q6_K", 256, 210, true);
  put(DType::Q4_1, "Q4_1", 32, 20, true);
  put(DType::Q5_0, "Q5_0", 32, 22, true);
  put(DType::Q5_1, "Q5_1", 32, 24, true);
  put(DType::Q2_K, "Q2_K", 256, 84, true);
  put(DType::Q3_K, "Q3_K", 256, 110, true);
  put(DType::IQ2_XXS, "IQ2_XXS", 256, 66, true);
  put(DType::IQ2_XS, "IQ2_XS", 256, 74, true);
  put(DType::IQ3_XXS, "IQ3_XXS", 256, 98, true);
  put(DType::IQ1_S, "IQ1_S", 256, 50, true);
  put(DType::IQ4_NL, "IQ4_NL", 32, 18, true);
  put(DType::IQ3_S, "IQ3_S", 256, 110, true);
  put(DType::IQ2_S, "IQ2_S", 256, 82, true);
  put(DType::IQ4_XS, "IQ4_XS", 256, 136, true);
  put(DType::IQ1_M, "IQ1_M", 256, 56, true);
  put(DType::I8, "I8", 1, 1, false);
  put(DType::I16, "I16", 1, 2, false);
  put(DType::I32, "I32", 1, 4, false);
  put(DType::I64, "I64", 1, 8, false);
  put(DType::F64, "F64", 1, 8, false);
  put(DType::TQ1_0, "TQ1_0", 256, 54, true);
  put(DType::TQ2_0, "TQ2_0", 256, 66, true);
  put(DType::MXFP4, "MXFP4", 32, 17, true);
  put(DType::NVFP4, "NVFP4", 64, 36, true);
  put(DType::Q1_0, "Q1_0", 128, 18, true);
  put(DType::Q2_0, "Q2_0", 64, 18, true);
  return table;
}();

// What the ids without a row once meant.
const char* removed_name(int32_t id) {
  switch (id) {
    case 4:
      return "Q4_2";
    case 5:
      return "Q4_3";
    case 31:
      return "Q4_0_4_4";
    case 32:
      return "Q4_0_4_8";
    case 33:
      return "Q4_0_8_8";
    case 36:
      return "IQ4_NL_4_4";
    case 37:
      return "IQ4_NL_4_8";
    case 38:
      return "IQ4_NL_8_8";
    default:
      return nullptr;
  }
}

char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

bool same_but_for_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (upper(a[i]) != upper(b[i])) return false;
  }
  return true;
}

}  // namespace

Result<DTypeFacts> dtype_facts(int32_t id) {
  if (id >= 0 && id < kIds && kFacts[static_cast<size_t>(id)].bytes != 0) {
    return kFacts[static_cast<size_t>(id)];
  }
  if (const char* old_name = removed_name(id)) {
    return fail("expected a type in use, found {} (id {}), which was removed from the format",
                old_name, id);
  }
  if (id == 9 || id == 15) {
    return fail("expected a type for weights, found {} (id {}), which is for activations only",
                id == 9 ? "Q8_1" : "Q8_K", id);
  }
  return fail("expected a type id from 0 to {}, found {}", kIds - 1, id);
}

const DTypeFacts& facts(DType type) {
  const auto id = static_cast<size_t>(type);
  CHECK_THAT(id < kFacts.size() && kFacts[id].bytes != 0);
  return kFacts[id];
}

std::optional<DType> dtype_from_name(std::string_view name) {
  for (const DTypeFacts& row : kFacts) {
    if (row.bytes != 0 && same_but_for_case(row.name, name)) return row.type;
  }
  return std::nullopt;
}

}  // namespace issun
