#include "kernels/search.h"

#include <algorithm>
#include <string_view>

#include "kernels/dispatch.h"

namespace issun::kernels {

// Defined by isa/search/*.cpp.
extern const SearchTable kSearchesScalar;
#ifdef ISSUN_X86
extern const SearchTable kSearchesAvx2, kSearchesAvx512;
#endif
#ifdef ISSUN_ARM64
extern const SearchTable kSearchesNeon;
#endif
#ifdef ISSUN_WASM
extern const SearchTable kSearchesWasm;
#endif

namespace {

// Instructions for products of bytes make no difference here.
const SearchTable* searches_for(const KernelTable& kernels) {
  [[maybe_unused]] const std::string_view name = kernels.vectors;
#ifdef ISSUN_X86
  if (name.starts_with("avx512")) return &kSearchesAvx512;
  if (name.starts_with("avx2")) return &kSearchesAvx2;
#endif
#ifdef ISSUN_ARM64
  if (name.starts_with("neon")) return &kSearchesNeon;
#endif
#ifdef ISSUN_WASM
  if (name.starts_with("wasm")) return &kSearchesWasm;
#endif
  return &kSearchesScalar;
}

}  // namespace

Result<const SearchTable*> choose_searches() { return searches_for(*TRY(choose_kernels())); }

std::vector<const SearchTable*> available_searches() {
  std::vector<const SearchTable*> tables;
  for (const KernelTable* kernels : available_kernels()) {
    const SearchTable* table = searches_for(*kernels);
    if (std::find(tables.begin(), tables.end(), table) == tables.end()) tables.push_back(table);
  }
  return tables;
}

}  // namespace issun::kernels
