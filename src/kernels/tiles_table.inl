// What tiles do, as a table. Included, after a vocabulary and tiles, by isa/amx.cpp.
#pragma once

#include "kernels/attention_tiles.inl"
#include "kernels/panel_tiles.inl"

namespace issun::kernels {
namespace {

template <class Format>
constexpr void enter_tiles(TileKernels& kernels) {
  kernels.panel[static_cast<int>(Format::kType)] = panel_tiles<Format>;
}

// What tiles do better than the table without them.
constexpr TileKernels make_tile_kernels(const char* name, int least_tokens) {
  TileKernels kernels{};
  kernels.name = name;
  kernels.least_tokens = least_tokens;
  kernels.round_row = round_row<kTilePlanes>;
  kernels.gemm_tile = gemm_tile_on_tiles;
  kernels.attention = {attention_on_tiles, attention_on_tiles_scratch_bytes, kTileQueryRows};
  enter_tiles<F16>(kernels);
  enter_tiles<BF16>(kernels);
  enter_tiles<Q8_0>(kernels);
  enter_tiles<Q4_0>(kernels);
  enter_tiles<Q4_1>(kernels);
  enter_tiles<Q5_0>(kernels);
  enter_tiles<Q5_1>(kernels);
  enter_tiles<MXFP4>(kernels);
  enter_tiles<IQ4_NL>(kernels);
  enter_tiles<IQ4_XS>(kernels);
  enter_tiles<Q2_K>(kernels);
  enter_tiles<Q3_K>(kernels);
  enter_tiles<Q4_K>(kernels);
  enter_tiles<Q5_K>(kernels);
  enter_tiles<Q6_K>(kernels);
  enter_tiles<Q1_0>(kernels);
  enter_tiles<Q2_0>(kernels);
  enter_tiles<TQ1_0>(kernels);
  enter_tiles<TQ2_0>(kernels);
  enter_tiles<NVFP4>(kernels);
  enter_tiles<IQ3_XXS>(kernels);
  enter_tiles<IQ3_S>(kernels);
  enter_tiles<IQ2_XXS>(kernels);
  enter_tiles<IQ2_XS>(kernels);
  enter_tiles<IQ2_S>(kernels);
  enter_tiles<IQ1_S>(kernels);
  enter_tiles<IQ1_M>(kernels);
  return kernels;
}

}  // namespace
}  // namespace issun::kernels
