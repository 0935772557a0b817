#include "measure/peak_loops.h"

#include <cstddef>

namespace issun::measure {

namespace {

// Chains hide the latency of the instruction: twelve on every x86 since 2013, sixteen where four
// pipes take four cycles. Assembly, because compilers spill the accumulators of such loops or see
// through them. Inputs are neither zero, which costs less power, nor near the limits of the format.
#if defined(__x86_64__)

#define TWELVE_TIMES(line) \
  line(0) line(1) line(2) line(3) line(4) line(5) line(6) line(7) line(8) line(9) line(10) line(11)
#define CLOBBERED                                                                                 \
  "cc", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", \
      "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"
#define LOAD_YMM(r) "vmovups (%1), %%ymm" #r "\n"
#define LOAD_ZMM(r) "vmovups (%1), %%zmm" #r "\n"
#define LOOP(load, start, line) \
  __asm__ volatile(TWELVE_TIMES(load) start                                                   \
                   "1:\n" TWELVE_TIMES(line) "dec %0\n"                                       \
                   "jnz 1b\n"                                                                 \
                   "vzeroupper\n"                                                             \
                   : "+r"(iterations)                                                         \
                   : "r"(&kInputs)                                                            \
                   : CLOBBERED)

struct alignas(64) Inputs {
  float shrinking[16];      // x -> x * 0.75 + 0.75 stays near 3
  unsigned char bytes[64];  // as unsigned and as signed the same
  short ones[32];
  unsigned short brains[32];
};

constexpr Inputs make_inputs() {
  Inputs inputs{};
  for (float& value : inputs.shrinking) value = 0.75f;
  for (size_t i = 0; i < 64; ++i) inputs.bytes[i] = static_cast<unsigned char>(1 + (i * 37) % 113);
  for (short& one : inputs.ones) one = 1;
  for (unsigned short& brain : inputs.brains) brain = 0x3f40;  // 0.75
  return inputs;
}
constexpr Inputs kInputs = make_inputs();

#define FMA_YMM(r) "vfmadd132ps %%ymm15, %%ymm15, %%ymm" #r "\n"
#define FMA_ZMM(r) "vfmadd132ps %%zmm15, %%zmm15, %%zmm" #r "\n"
#define DOT_ZMM(r) "vpdpbusd %%zmm14, %%zmm14, %%zmm" #r "\n"
#define BRAINS_ZMM(r) "vdpbf16ps %%zmm14, %%zmm14, %%zmm" #r "\n"
#define DOT_YMM(r) "%{vex%} vpdpbusd %%ymm14, %%ymm14, %%ymm" #r "\n"
// Without the dot product instruction: pairs to 16 bits, pairs of those to 32, added up.
#define MADD_YMM(r)                        \
  "vpmaddubsw %%ymm14, %%ymm14, %%ymm12\n" \
  "vpmaddwd %%ymm13, %%ymm12, %%ymm12\n"   \
  "vpaddd %%ymm12, %%ymm" #r ", %%ymm" #r "\n"

void fma_ymm(int64_t iterations) { LOOP(LOAD_YMM, "vmovups (%1), %%ymm15\n", FMA_YMM); }
void fma_zmm(int64_t iterations) { LOOP(LOAD_ZMM, "vmovups (%1), %%zmm15\n", FMA_ZMM); }
void dot_zmm(int64_t iterations) { LOOP(LOAD_ZMM, "vmovups 64(%1), %%zmm14\n", DOT_ZMM); }
// Sums grow until what is added is less than half of their last bit; that takes no longer.
void brains_zmm(int64_t iterations) { LOOP(LOAD_ZMM, "vmovups 192(%1), %%zmm14\n", BRAINS_ZMM); }
void dot_ymm(int64_t iterations) { LOOP(LOAD_YMM, "vmovups 64(%1), %%ymm14\n", DOT_YMM); }
void madd_ymm(int64_t iterations) {
  LOOP(LOAD_YMM, "vmovups 64(%1), %%ymm14\n vmovups 128(%1), %%ymm13\n", MADD_YMM);
}

constexpr double kChains = 12;

#elif defined(__aarch64__)

#define SIXTEEN_TIMES(line)                                                                \
  line(0) line(1) line(2) line(3) line(4) line(5) line(6) line(7) line(8) line(9) line(10) \
      line(11) line(12) line(13) line(14) line(15)
#define CLOBBERED                                                                                  \
  "cc", "memory", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", \
      "v13", "v14", "v15", "v16", "v17", "v18"
#define LOOP(lines)                                                                \
  __asm__ volatile("ldp q16, q17, [%1]\n" SIXTEEN_TIMES(CLEAR) "1:\n" lines        \
                                                               "subs %0, %0, #1\n" \
                                                               "b.ne 1b\n"         \
                   : "+r"(iterations)                                              \
                   : "r"(&kInputs)                                                 \
                   : CLOBBERED)

struct alignas(64) Inputs {
  float numbers[4];
  signed char bytes[16];
};

constexpr Inputs make_inputs() {
  Inputs inputs{};
  for (float& value : inputs.numbers) value = 0.75f;
  for (size_t i = 0; i < 16; ++i) inputs.bytes[i] = static_cast<signed char>(1 + (i * 37) % 113);
  return inputs;
}
constexpr Inputs kInputs = make_inputs();

#define CLEAR(r) "movi v" #r ".4s, #0\n"
// What the first half of a round adds the second one takes off.
#define FMLA(r) "fmla v" #r ".4s, v16.4s, v16.4s\n"
#define FMLS(r) "fmls v" #r ".4s, v16.4s, v16.4s\n"
// sdot vr.4s, v17.16b, v17.16b: a number, since assemblers want to hear of dot products beforehand.
#define SDOT(r) ".inst 0x4e919620 + " #r "\n"
// smmla vr.4s, v17.16b, v17.16b
#define SMMLA(r) ".inst 0x4e91a620 + " #r "\n"
// Without the dot product instruction: products of both halves in 16 bits, pairs of them to 32.
#define SMLAL(r)                      \
  "smull v18.8h, v17.8b, v17.8b\n"    \
  "smlal2 v18.8h, v17.16b, v17.16b\n" \
  "sadalp v" #r ".4s, v18.8h\n"

void fma_neon(int64_t iterations) { LOOP(SIXTEEN_TIMES(FMLA) SIXTEEN_TIMES(FMLS)); }
void dot_neon(int64_t iterations) { LOOP(SIXTEEN_TIMES(SDOT)); }
void matrix_neon(int64_t iterations) { LOOP(SIXTEEN_TIMES(SMMLA)); }
void widen_neon(int64_t iterations) { LOOP(SIXTEEN_TIMES(SMLAL)); }

constexpr double kChains = 16;

#endif

}  // namespace

PeakLoop f32_peak_loop([[maybe_unused]] std::string_view isa) {
#if defined(__x86_64__)
  if (isa.starts_with("avx512")) return {"vfmadd ps, 512 bits", fma_zmm, kChains * 16 * 2};
  if (isa.starts_with("avx2")) return {"vfmadd ps, 256 bits", fma_ymm, kChains * 8 * 2};
#elif defined(__aarch64__)
  if (isa.starts_with("neon")) return {"fmla, 128 bits", fma_neon, kChains * 2 * 4 * 2};
#endif
  return {nullptr, nullptr, 0};
}

PeakLoop bf16_peak_loop([[maybe_unused]] std::string_view isa) {
#if defined(__x86_64__)
  if (isa == "avx512bf16") return {"vdpbf16ps, 512 bits", brains_zmm, kChains * 32 * 2};
#endif
  return {nullptr, nullptr, 0};
}

PeakLoop int8_peak_loop([[maybe_unused]] std::string_view isa) {
#if defined(__x86_64__)
  if (isa.starts_with("avx512")) return {"vpdpbusd, 512 bits", dot_zmm, kChains * 64 * 2};
  if (isa == "avx2vnni") return {"vpdpbusd, 256 bits", dot_ymm, kChains * 32 * 2};
  if (isa == "avx2") return {"vpmaddubsw and vpmaddwd, 256 bits", madd_ymm, kChains * 32 * 2};
#elif defined(__aarch64__)
  if (isa == "neoni8mm") return {"smmla, 128 bits", matrix_neon, kChains * 32 * 2};
  if (isa == "neondot") return {"sdot, 128 bits", dot_neon, kChains * 16 * 2};
  if (isa == "neon") return {"smull, smlal and sadalp, 128 bits", widen_neon, kChains * 16 * 2};
#endif
  return {nullptr, nullptr, 0};
}

}  // namespace issun::measure
