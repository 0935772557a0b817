#include "kernels/dispatch.h"

#include <algorithm>
#include <cstdlib>
#include <string>

#include "base/cpu.h"
#include "kernels/same_products.h"

namespace issun::kernels {

// Defined by isa/*.cpp.
extern const KernelTable kTableScalar;
#ifdef ISSUN_X86
extern const KernelTable kTableAvx2, kTableAvx2Vnni, kTableAvx512, kTableAvx512Bf16;
extern const TileKernels kTilesAmx;
#endif
#ifdef ISSUN_ARM64
extern const KernelTable kTableNeon, kTableNeonDot, kTableNeonI8mm;
#endif
#ifdef ISSUN_WASM
extern const KernelTable kTableWasm;
#endif
#ifdef ISSUN_RELAXED_SIMD
extern const KernelTable kTableWasmRelaxed;
#endif

namespace {

struct Candidate {
  const KernelTable* table;
  const char* missing;  // what this processor lacks; nullptr: nothing
};

#ifdef ISSUN_X86
// What a core of Sapphire or Emerald Rapids asks memory for by itself is not enough: one of them
// reads 13.7 GB/s of Q4_K instead of 11.0, 14.0 of Q8_0 instead of 11.3, plain loads 15. On Zen 4
// it would cost 8 to 20 %.
constexpr int kReadAhead = 2048;

const KernelTable& table_amx() {
  static const KernelTable table = [] {
    KernelTable with = with_tiles(kTableAvx512Bf16, kTilesAmx);
    with.read_ahead = kReadAhead;
    return with;
  }();
  return table;
}
#endif

// Slowest first.
std::vector<Candidate> candidates() {
  std::vector<Candidate> all = {{&kTableScalar, nullptr}};
#ifdef ISSUN_X86
  const CpuFacts& cpu = cpu_facts();
  const char* no_avx2 = cpu.avx2 ? nullptr : "AVX2, FMA and F16C";
  all.push_back({&kTableAvx2, no_avx2});
  all.push_back({&kTableAvx2Vnni, cpu.avx_vnni ? no_avx2 : "AVX-VNNI"});
  const char* no_avx512 =
      cpu.avx512 && cpu.avx512_vnni ? no_avx2 : "AVX-512 F, BW, DQ, VL and VNNI";
  all.push_back({&kTableAvx512, no_avx512});
  const char* no_bf16 = cpu.avx512_bf16 ? no_avx512 : "AVX-512 BF16";
  all.push_back({&kTableAvx512Bf16, no_bf16});
  all.push_back({&table_amx(), cpu.amx_bf16 ? no_bf16 : "AMX with BF16"});
#endif
#ifdef ISSUN_ARM64
  const CpuFacts& cpu = cpu_facts();
  all.push_back({&kTableNeon, cpu.neon ? nullptr : "NEON"});
  all.push_back({&kTableNeonDot, cpu.neon_dot ? nullptr : "the dot products of ARMv8.2"});
  all.push_back({&kTableNeonI8mm, cpu.neon_matrix ? nullptr : "the products of matrices of I8MM"});
#endif
#ifdef ISSUN_WASM
  all.push_back({&kTableWasm, nullptr});  // or the engine had refused the module
#endif
#ifdef ISSUN_RELAXED_SIMD
  static const bool right = same_products(kTableWasmRelaxed, kTableWasm);
  all.push_back({&kTableWasmRelaxed, right ? nullptr : "relaxed SIMD that computes as it should"});
#endif
  return all;
}

}  // namespace

KernelTable with_tiles(const KernelTable& table, const TileKernels& tiles) {
  KernelTable with = table;
  with.name = tiles.name;
  with.tiles = &tiles;
  std::copy(std::begin(tiles.panel), std::end(tiles.panel), with.panel_brains);
  with.brain_tokens = tiles.least_tokens;
  with.brain_planes = kTilePlanes;
  with.round_row = tiles.round_row;
  with.gemm_tile[static_cast<int>(GemmPrecision::BF16)] = tiles.gemm_tile;
  return with;
}

Result<const KernelTable*> choose_kernels() {
  const char* wanted = std::getenv("ISSUN_ISA");
  const KernelTable* best = nullptr;
  std::string names;
  for (const Candidate& c : candidates()) {
    if (wanted != nullptr && *wanted != 0) {
      names += fmt::format("{}{}", names.empty() ? "" : ", ", c.table->name);
      if (std::string_view(wanted) != c.table->name) continue;
      if (c.missing != nullptr)
        return fail("ISSUN_ISA={}: this processor lacks {}", wanted, c.missing);
      return c.table;
    }
    if (c.missing == nullptr) best = c.table;
  }
  if (best == nullptr) return fail("ISSUN_ISA={}: expected one of {}", wanted, names);
  return best;
}

std::vector<const KernelTable*> available_kernels() {
  std::vector<const KernelTable*> tables;
  for (const Candidate& c : candidates())
    if (c.missing == nullptr) tables.push_back(c.table);
  return tables;
}

}  // namespace issun::kernels
