#include "measure/peak_loops.h"

#include <cstddef>

namespace issun::measure {

namespace {

#if defined(__x86_64__)

// Twelve chains hide the latency of the instruction on every core since 2013. Assembly, because
// compilers spill the accumulators of such loops or see through them. Registers 13 to 15 are
// inputs: neither zero, which costs less power, nor near the limits of the format.
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
};

constexpr Inputs make_inputs() {
  Inputs inputs{};
  for (float& value : inputs.shrinking) value = 0.75f;
  for (size_t i = 0; i < 64; ++i) inputs.bytes[i] = static_cast<unsigned char>(1 + (i * 37) % 113);
  for (short& one : inputs.ones) one = 1;
  return inputs;
}
constexpr Inputs kInputs = make_inputs();

#define FMA_YMM(r) "vfmadd132ps %%ymm15, %%ymm15, %%ymm" #r "\n"
#define FMA_ZMM(r) "vfmadd132ps %%zmm15, %%zmm15, %%zmm" #r "\n"
#define DOT_ZMM(r) "vpdpbusd %%zmm14, %%zmm14, %%zmm" #r "\n"
#define DOT_YMM(r) "%{vex%} vpdpbusd %%ymm14, %%ymm14, %%ymm" #r "\n"
// Without the dot product instruction: pairs to 16 bits, pairs of those to 32, added up.
#define MADD_YMM(r)                        \
  "vpmaddubsw %%ymm14, %%ymm14, %%ymm12\n" \
  "vpmaddwd %%ymm13, %%ymm12, %%ymm12\n"   \
  "vpaddd %%ymm12, %%ymm" #r ", %%ymm" #r "\n"

void fma_ymm(int64_t iterations) { LOOP(LOAD_YMM, "vmovups (%1), %%ymm15\n", FMA_YMM); }
void fma_zmm(int64_t iterations) { LOOP(LOAD_ZMM, "vmovups (%1), %%zmm15\n", FMA_ZMM); }
void dot_zmm(int64_t iterations) { LOOP(LOAD_ZMM, "vmovups 64(%1), %%zmm14\n", DOT_ZMM); }
void dot_ymm(int64_t iterations) { LOOP(LOAD_YMM, "vmovups 64(%1), %%ymm14\n", DOT_YMM); }
void madd_ymm(int64_t iterations) {
  LOOP(LOAD_YMM, "vmovups 64(%1), %%ymm14\n vmovups 128(%1), %%ymm13\n", MADD_YMM);
}

constexpr double kChains = 12;

#endif

}  // namespace

PeakLoop f32_peak_loop([[maybe_unused]] std::string_view isa) {
#if defined(__x86_64__)
  if (isa.starts_with("avx512")) return {"vfmadd ps, 512 bits", fma_zmm, kChains * 16 * 2};
  if (isa.starts_with("avx2")) return {"vfmadd ps, 256 bits", fma_ymm, kChains * 8 * 2};
#endif
  return {nullptr, nullptr, 0};
}

PeakLoop int8_peak_loop([[maybe_unused]] std::string_view isa) {
#if defined(__x86_64__)
  if (isa.starts_with("avx512")) return {"vpdpbusd, 512 bits", dot_zmm, kChains * 64 * 2};
  if (isa == "avx2vnni") return {"vpdpbusd, 256 bits", dot_ymm, kChains * 32 * 2};
  if (isa == "avx2") return {"vpmaddubsw and vpmaddwd, 256 bits", madd_ymm, kChains * 32 * 2};
#endif
  return {nullptr, nullptr, 0};
}

}  // namespace issun::measure
