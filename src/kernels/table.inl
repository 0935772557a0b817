// Every kernel of one instruction set as a table. Included, after a vocabulary, by isa/*.cpp, which
// define ISSUN_TABLE and ISSUN_NAME.
#pragma once

#include "kernels/attention.inl"
#include "kernels/attention_words.inl"
#include "kernels/backward.inl"
#include "kernels/dot_q8.inl"
#include "kernels/encode.inl"
#include "kernels/gemm.inl"
#include "kernels/panel_brains.inl"
#include "kernels/panel_q8.inl"
#include "kernels/product_f32.inl"
#include "kernels/quantise.inl"
#include "kernels/recurrent.inl"
#include "kernels/rows.inl"

namespace issun::kernels {
namespace {

template <class Format>
constexpr void enter_floats(KernelTable& table) {
  constexpr int type = static_cast<int>(Format::kType);
  table.dot_f32[type] = dot_f32<Format>;
  table.panel_f32[type] = panel_f32<Format>;
  table.decode_row[type] = decode_row<Format>;
}

template <class Format>
constexpr void enter_blocks(KernelTable& table) {
  constexpr int type = static_cast<int>(Format::kType);
  enter_floats<Format>(table);
  table.dot_q8[type] = dot_q8<Format>;
  table.panel_q8[type] = panel_q8<Format>;
}

template <class Format>
constexpr void enter_unpacked(KernelTable& table) {
  constexpr int type = static_cast<int>(Format::kType);
  enter_floats<Format>(table);
  table.dot_q8[type] = dot_unpacked<Format>;
  table.panel_q8[type] = panel_unpacked<Format>;
}

using RowEncoder = void (*)(const float* x, int n, void* row);
constexpr void enter_cache_rows(KernelTable& table, DType type, RowEncoder encode) {
  table.encode_row[static_cast<int>(type)] = encode;
}

template <class Numbers>
constexpr void enter_gemm(KernelTable& table, GemmPrecision precision) {
  const int p = static_cast<int>(precision);
  table.gemm_depth[p] = kGemmDepth * Numbers::kPerWord;
  table.gemm_pack_a[p] = gemm_pack<PanelsOfA<Numbers>>;
  table.gemm_pack_b[p] = gemm_pack<PanelsOfB<Numbers>>;
  table.gemm_tile[p] = gemm_tile<Numbers>;
}

constexpr KernelTable make_table(const char* name) {
  KernelTable table{};
  table.name = table.vectors = name;
  table.quantise = quantise;
  enter_floats<F32>(table);
  enter_floats<F16>(table);
  enter_floats<BF16>(table);
  enter_blocks<Q8_0>(table);
  enter_blocks<Q4_0>(table);
  enter_blocks<Q4_1>(table);
  enter_blocks<Q5_0>(table);
  enter_blocks<Q5_1>(table);
  enter_blocks<MXFP4>(table);
  enter_blocks<IQ4_NL>(table);
  enter_blocks<IQ4_XS>(table);
  enter_blocks<IQ3_S>(table);
  enter_blocks<Q2_K>(table);
  enter_blocks<Q3_K>(table);
  enter_blocks<Q4_K>(table);
  enter_blocks<Q5_K>(table);
  enter_blocks<Q6_K>(table);
  enter_unpacked<Q1_0>(table);
  enter_unpacked<Q2_0>(table);
  enter_unpacked<TQ1_0>(table);
  enter_unpacked<TQ2_0>(table);
  enter_unpacked<NVFP4>(table);
  enter_unpacked<IQ3_XXS>(table);
  enter_unpacked<IQ2_XXS>(table);
  enter_unpacked<IQ2_XS>(table);
  enter_unpacked<IQ2_S>(table);
  enter_unpacked<IQ1_S>(table);
  enter_unpacked<IQ1_M>(table);
#ifdef ISSUN_PAIR_DOT
  table.panel_brains[static_cast<int>(DType::BF16)] = panel_brains;
  table.brain_tokens = kFewTokensF32 + 1;
  table.brain_planes = 1;
  table.round_row = round_row<1>;
#endif
  table.panel_rows = kPanelRows;
  table.dot_tokens = kFewTokens;
  table.dot_tokens_f32 = kFewTokensF32;
  table.gemm_rows = kGemmRows;
  table.gemm_columns = kGemmColumns;
  enter_gemm<Floats>(table, GemmPrecision::F32);
  enter_gemm<Brains>(table, GemmPrecision::BF16);
  table.small_gemm = small_gemm;
  table.attention = {attention, attention_scratch_bytes, kQueryRows};
#ifdef ISSUN_WORD_DOT
  table.attention_in_words = {attention_in_words, attention_in_words_scratch_bytes, kWordRows};
#endif
  enter_cache_rows(table, DType::F32, encode_row<F32>);
  enter_cache_rows(table, DType::F16, encode_row<F16>);
  enter_cache_rows(table, DType::BF16, encode_row<BF16>);
  enter_cache_rows(table, DType::Q8_0, encode_blocks<BlockQ8_0>);
  enter_cache_rows(table, DType::Q5_1, encode_blocks<BlockQ5_1>);
  enter_cache_rows(table, DType::Q5_0, encode_blocks<BlockQ5_0>);
  enter_cache_rows(table, DType::Q4_1, encode_blocks<BlockQ4_1>);
  enter_cache_rows(table, DType::Q4_0, encode_blocks<BlockQ4_0>);
  enter_cache_rows(table, DType::IQ4_NL, encode_blocks<BlockIQ4_NL>);
  table.byte_caches = kByteCaches;
  table.rms_norm = rms_norm;
  table.layer_norm = layer_norm;
  table.add = add;
  table.mul = mul;
  table.scale = scale;
  table.add_scaled = add_scaled;
  table.silu_mul = silu_mul;
  table.gelu_mul = gelu_mul;
  table.sigmoid_mul = sigmoid_mul;
  table.soft_cap = soft_cap;
  table.softmax = softmax;
  table.rope_neighbours = rope_neighbours;
  table.rope_halves = rope_halves;
  table.convolution = convolution;
  table.recurrence = recurrence;
  table.step_and_decay = step_and_decay;
  table.l2_norm = l2_norm;
  table.rms_norm_backward = rms_norm_backward;
  table.layer_norm_backward = layer_norm_backward;
  table.silu_mul_backward = silu_mul_backward;
  table.gelu_mul_backward = gelu_mul_backward;
  table.log_sum_exp = log_sum_exp;
  table.exp_shifted = exp_shifted;
  table.softmax_backward = softmax_backward;
  table.adamw = adamw;
  table.sum_squares = sum_squares;
  table.dot = dot;
  table.argmax = argmax;
  return table;
}

}  // namespace

extern const KernelTable ISSUN_TABLE;
constinit const KernelTable ISSUN_TABLE = make_table(ISSUN_NAME);

}  // namespace issun::kernels
