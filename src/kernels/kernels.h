// The border of the hot loops: plain structs and a table of functions, one table per instruction
// set. C on purpose: what is compiled for AVX-512 must not emit a function that portable code could
// pick up. Not here: which kernel to call and how rows meet threads (linear.h), which table to use
// (dispatch.h).
#pragma once

#include <stdint.h>

namespace issun::kernels {

constexpr int kTypes = 48;       // tables are indexed by the DType id, which is smaller
constexpr int kQ8Columns = 256;  // columns of one Q8Block
constexpr int64_t kScratchBytes = 320
                                  << 10;  // what any kernel may use, per worker, 64-byte aligned

// 256 activations as 8-bit integers in groups of 64. The scales of the groups are whole multiples
// of one number, scale = base * factor, so that groups can also be added up as integers. What
// several kinds of kernels need is kept ready in the form each reads: an activation meets thousands
// of rows. Rows whose columns are no multiple of 256 are filled up with zeros.
struct alignas(64) Q8Block {
  int8_t q[256];        // -127..127
  float scale[8];       // of each 32 q: equal in pairs
  int32_t offset32[8];  // -128 * the sum of each 32 q: what weights kept as w + 128 are too much
  float base;
  float sum_scale;
  int16_t group_sums[16];  // 8 zeros, then factor * the sum of each 32 q, in units of sum_scale
  int32_t unused[6];
  int32_t offset16[16];  // -128 * the sum of each 16 q
  int16_t factor32[16];  // the factor of each 32 q, 1..kMostFactor, then 8 ones
  int16_t factor16[16];  // the factor of each 16 q
  int16_t sums16[16];    // -16 * the sum of each 16 q
  int16_t unused16[16];
  int8_t q_pairs[256];  // q with its groups of 32 in the order 0 2 1 3 4 6 5 7
};
// What sums of a unit in 32 bits have room for: see dot_integer_scales.
constexpr int kMostFactor = 63;

// Activations in bf16: rows rounded, and for some products in a second plane what that took away,
// also rounded. They lie in blocks of kBrainColumns columns, the planes of a block one after the
// other, each with all rows of that block: what a product reads at a time lies together, in few
// pages. The last block is filled up with zeros to whole lines.
constexpr int kBrainColumns = 256;
constexpr int kBrainLine = 32;                            // columns in 64 bytes
constexpr int64_t kBrainStride = 2 * kBrainColumns + 64;  // from row to row: else in few sets of L1
constexpr int64_t brain_row_bytes(int64_t columns, int planes) {
  return (columns + kBrainColumns - 1) / kBrainColumns * planes * kBrainStride;
}

// out[t * out_stride + r] = weights row r . activations row t, for r in [row_begin, row_end), all
// t. Activations are Q8Blocks for the q8 kernels, floats for the f32 kernels and planes of bf16 for
// those of brains. Weight rows need no alignment, and nothing is read beyond the last one.
struct LinearTask {
  const void* weights;
  int64_t row_bytes;
  int columns;                // a multiple of the format's block
  const void* activations;    // 64-byte aligned but for floats
  int64_t activation_stride;  // bytes from token to token
  int64_t plane_stride;       // of planes of bf16: bytes from plane to plane
  int tokens;
  float* out;
  int64_t out_stride;  // floats from token to token
  int64_t read_ahead;  // of the table
  // Weights that this worker will probably want next, to be brought near on the way.
  const void* next;
  int64_t next_bytes;  // 0: none
};
// scratch: kScratchBytes. The bits of an output depend on its row and its token alone.
using LinearKernel = void (*)(const LinearTask* task, int64_t row_begin, int64_t row_end,
                              void* scratch);

// One head of keys and values against the query rows that share it (tokens x query heads).
// Keys and values lie in pages of page_tokens rows; page p holds positions [p * page_tokens, ...).
// A row is what encode_row writes: whole blocks.
struct AttentionTask {
  const float* queries;  // (rows, key_width)
  int64_t query_stride;  // floats from row to row
  int rows;
  int key_width, value_width;
  int key_type, value_type;        // DType ids; any that encode_row has, each by itself
  const void* const* key_pages;    // (pages) -> (page_tokens, key_width), contiguous
  const void* const* value_pages;  // (pages) -> (page_tokens, value_width), contiguous
  int page_tokens;
  // Query row i sees the positions [visible_begin[i], visible_end[i]); the end is at least 1 more.
  const int* visible_begin;
  const int* visible_end;
  float scale;         // of the scores; above 0
  float softcap;       // scores become softcap * tanh(score / softcap); 0: none
  const float* sinks;  // (rows): one more logit in each denominator; nullptr: none
  // (rows): scores fall by slope times the distance from the row's position (ALiBi); nullptr: they
  // do not.
  const float* slopes;
  const int* positions;
  bool exact;          // products of floats also with caches of blocks; not for tiles and words
  float* out;          // (rows, value_width)
  int64_t out_stride;  // floats from row to row
};
// scratch: scratch_bytes(key_width, value_width) of AttentionKernels.
// The bits of a row do not depend on the other rows of the call, nor on page_tokens.
using AttentionKernel = void (*)(const AttentionTask* task, void* scratch);

// Products of matrices, out (m, n) = a (m, k) . b (k, n), work on panels: a copy of one block of
// each side in the order in which the tile kernel reads it. A line is a row of a or a column of b,
// its depth is k. Panels of a hold gemm_rows lines, one after another along their depth; panels of
// b hold gemm_columns lines, depth after depth. Both hold kGemmDepth words of 32 bits of each line:
// a float, or two neighbours in depth as bf16.
constexpr int kGemmDepth = 512;
constexpr int kGemmStride = kGemmDepth + 16;  // words from line to line of a: else one set of L1
enum class GemmPrecision {
  F32,
  BF16,  // both sides rounded to bf16 (ties to even), products and sums in F32
};
constexpr int kGemmPrecisions = 2;

// Copies rows of one side's tensor into panels: each is a line along its depth, or one depth of all
// lines.
struct GemmPack {
  const void* from;                                          // the first number
  int64_t row_bytes;                                         // from row to row
  int64_t unit_bytes;                                        // of 256 columns
  void (*decode)(const void* row, int columns, float* out);  // decode_row; nullptr: floats
  bool rows_are_lines;
  int line, depth;    // their place in the panels; multiples of 16 but for lines of a
  int lines, depths;  // how many
  int padding;        // lines of zeros after them
  void* panels;       // 64-byte aligned
};
// scratch: kScratchBytes.
using GemmPackKernel = void (*)(const GemmPack* task, void* scratch);

// out (rows, columns) = or += a . b, from the first line of a panel of each on.
struct GemmTile {
  const void *a, *b;  // panels
  int rows, columns, depth;
  bool add;
  float* out;
  int64_t out_stride;  // floats from row to row
};
using GemmTileKernel = void (*)(const GemmTile* task);

// out (m, n) = or += scale * a (m, k) . b (k, n), for blocks as attention has them: any sizes, made
// for about 64. One of the two steps of each side is 1.
struct SmallGemm {
  const float* a;  // element (i, p) at a[i * a_row + p * a_column]
  int64_t a_row, a_column;
  const float* b;  // element (p, j) at b[p * b_row + j * b_column]
  int64_t b_row, b_column;
  int m, n, k;
  float* out;
  int64_t out_stride;  // floats from row to row
  float scale;
  bool accumulate;
};

constexpr int kLeastTaps = 2, kMostTaps = 4;  // of a convolution

// A causal convolution of each channel by itself: out[t] = bias + the sum over j of taps[j] *
// in[t - (tap_count - 1) + j]. What stands before the first token is in `past`, the oldest first;
// afterwards, what stands before the next one.
struct ConvolutionTask {
  const float* in;  // (tokens, channels)
  int64_t in_stride;
  int tokens, channels;
  int tap_count;      // kLeastTaps to kMostTaps
  const float* taps;  // (channels, tap_count)
  const float* bias;  // (channels) or nullptr
  float* past;        // (tap_count - 1, channels)
  int64_t past_stride;
  bool silu;   // out = silu of all that
  float* out;  // (tokens, channels); may be `in`
  int64_t out_stride;
};

// One head with a matrix for a memory (key_width, value_width). Each token, in turn:
//   state = decay * state + key (x) rate * (value - what the state then holds for the key)
//   out = query . state + skip * value
// where the correction is left out unless `corrects`. With it this is the gated delta rule (Yang et
// al., 2024, arXiv 2412.06464), without it the scan of Mamba-2 (Dao and Gu, 2024, arXiv
// 2405.21060).
struct RecurrenceTask {
  const float *queries, *keys;  // (tokens, key_width)
  int64_t key_stride;           // floats from token to token
  const float* values;          // (tokens, value_width)
  int64_t value_stride;
  const float *decay, *rate;  // (tokens)
  int64_t rate_stride;
  int tokens, key_width, value_width;
  float skip;
  bool corrects;
  float* state;
  float* out;  // (tokens, value_width)
  int64_t out_stride;
};

// One step of AdamW (Loshchilov and Hutter, 2019, arXiv 1711.05101, algorithm 2, with the decay
// times the learning rate).
struct AdamwStep {
  float learning_rate, beta1, beta2, epsilon;
  float weight_decay;
  float correction1, correction2;  // 1 - beta1^t and 1 - beta2^t in step t, which starts at 1
  float grad_scale;                // what gradients are multiplied by first
};

constexpr int kTilePlanes = 2;  // of activations that meet tiles; the second one counts with F16

// One way to attend.
struct AttentionKernels {
  AttentionKernel attend = nullptr;  // nullptr: there is none
  int64_t (*scratch_bytes)(int key_width, int value_width) = nullptr;
  int rows = 0;  // of queries that share one conversion of keys and values
};

// What tiles (simd/tiles.h) do better than a table without them. The table's panel_brains,
// brain_tokens, round_row and gemm_tile of BF16 become these.
struct TileKernels {
  const char* name;
  int least_tokens;  // from so many on they are the faster ones
  void (*round_row)(const float* x, int columns, void* to, int64_t plane_stride);
  // Weights as bf16, sums in F32. They meet the first plane of the activations; F16, the sum of two
  // bf16, both, so that nothing but the last of some 16 bits is lost.
  LinearKernel panel[kTypes];
  GemmTileKernel gemm_tile;  // for BF16
  // Exponentials and values are rounded to bf16, scores are right to some 16 bits.
  AttentionKernels attention;
};

struct KernelTable {
  const char* name;     // as ISSUN_ISA spells it
  const char* vectors;  // of the table whose vectors these are: its own, unless tiles were added

  // (columns) floats -> Q8Blocks, ceil(columns / 256) of them.
  void (*quantise)(const float* x, int columns, void* q8);

  // Matrix products by weight type; nullptr where there is none. dot: few tokens, straight from the
  // file's blocks. panel: many tokens, kPanelRows rows unpacked at a time. f32: weights decoded
  // exactly, products and sums in F32.
  LinearKernel dot_q8[kTypes], panel_q8[kTypes], dot_f32[kTypes], panel_f32[kTypes];
  int panel_rows;  // rows a panel kernel handles at a time: ranges should be multiples of it
  // Up to so many tokens dot is the faster family: of activations in 8 bits, and of floats.
  int dot_tokens, dot_tokens_f32;
  // How many bytes ahead dot asks for weights that it reads in place; 0: the processor finds them
  // by itself.
  int read_ahead;
  // Panels that meet activations in bf16, of brain_planes planes, from brain_tokens tokens on;
  // nullptr where there is none.
  LinearKernel panel_brains[kTypes];
  int brain_tokens, brain_planes;  // brain_planes 0: there is none of any type
  // (columns) floats -> their place in each plane, the first of which is `to`.
  void (*round_row)(const float* x, int columns, void* to, int64_t plane_stride);
  const TileKernels* tiles;  // nullptr: none

  // A row of any type that has kernels, as floats, exactly.
  void (*decode_row[kTypes])(const void* row, int columns, float* out);

  // Products of matrices, by GemmPrecision: see GemmPack. The driver is gemm.h.
  int gemm_rows, gemm_columns;      // lines of a panel of a, and of b
  int gemm_depth[kGemmPrecisions];  // the most numbers of a line that a panel holds
  GemmPackKernel gemm_pack_a[kGemmPrecisions], gemm_pack_b[kGemmPrecisions];
  GemmTileKernel gemm_tile[kGemmPrecisions];
  void (*small_gemm)(const SmallGemm* task, void* scratch);  // scratch: kScratchBytes

  AttentionKernels attention;
  bool byte_caches;  // whether caches of blocks stay bytes there, unless a task is exact
  // For many tokens of a text and caches that are rounded: see attention_for. Never exact.
  AttentionKernels attention_in_words;

  // out = x / sqrt(mean(x^2) + epsilon) * weight. weight may be nullptr; out may be x.
  void (*rms_norm)(const float* x, const float* weight, int n, float epsilon, float* out);
  // out = (x - mean) / sqrt(variance + epsilon) * weight + bias; weight and bias may be nullptr.
  void (*layer_norm)(const float* x, const float* weight, const float* bias, int n, float epsilon,
                     float* out);
  void (*add)(const float* a, const float* b, int64_t n, float* out);
  void (*mul)(const float* a, const float* b, int64_t n, float* out);
  void (*scale)(const float* a, float factor, int64_t n, float* out);
  void (*add_scaled)(const float* a, float factor, int64_t n, float* sum);  // sum += factor * a
  // out = act(gate) * up, with silu(x) = x / (1 + exp(-x)) and gelu in its tanh form. up ==
  // nullptr: no product.
  void (*silu_mul)(const float* gate, const float* up, int64_t n, float* out);
  void (*gelu_mul)(const float* gate, const float* up, int64_t n, float* out);
  // out = up / (1 + exp(-gate)). up == nullptr: no product.
  void (*sigmoid_mul)(const float* gate, const float* up, int64_t n, float* out);
  // x = softcap * tanh(x / softcap)
  void (*soft_cap)(float* x, int64_t n, float softcap);
  void (*softmax)(float* x, int n);
  // Rotates pairs of one head in place by precomputed angles; cosines and sines have `pairs`
  // values.
  void (*rope_neighbours)(float* x, const float* cosines, const float* sines,
                          int pairs);  // (2i, 2i+1)
  void (*rope_halves)(float* x, const float* cosines, const float* sines,
                      int pairs);  // (i, i+pairs)
  void (*convolution)(const ConvolutionTask* task);
  void (*recurrence)(const RecurrenceTask* task);
  // step = ln(1 + exp(x + bias)); decay = exp(step * rate)
  void (*step_and_decay)(const float* x, const float* bias, const float* rate, int n, float* step,
                         float* decay);
  // out = factor * x / max(|x|, epsilon), |x| the Euclidean length; out may be x.
  void (*l2_norm)(const float* x, int n, float epsilon, float factor, float* out);
  // Rows to the types that a cache may have: F32 F16 BF16, and Q8_0 Q5_1 Q5_0 Q4_1 Q4_0 IQ4_NL,
  // whose last block is filled up with zeros. nullptr where there is none. The bytes are those of
  // the plain encoders (tensor/codec.h).
  void (*encode_row[kTypes])(const float* x, int n, void* row);
  // Gradients of rows, from that of the output. Those of the norms are added to what is there;
  // weight, dweight and dbias may be nullptr.
  void (*rms_norm_backward)(const float* x, const float* weight, const float* dout, int n,
                            float epsilon, float* dx, float* dweight);
  void (*layer_norm_backward)(const float* x, const float* weight, const float* dout, int n,
                              float epsilon, float* dx, float* dweight, float* dbias);
  // Those of the gates are written. up == nullptr: no product, and no dup. dgate and dup may be any
  // of gate, up and dout.
  void (*silu_mul_backward)(const float* gate, const float* up, const float* dout, int64_t n,
                            float* dgate, float* dup);
  void (*gelu_mul_backward)(const float* gate, const float* up, const float* dout, int64_t n,
                            float* dgate, float* dup);
  // ln of the sum of e^x, without overflow; -infinity where n is 0 or all are -infinity.
  float (*log_sum_exp)(const float* x, int n);
  // out = e^(scale * x - shift); out may be x.
  void (*exp_shifted)(const float* x, int64_t n, float scale, float shift, float* out);
  // From the slope of each probability of a softmax to that of its score: out = p * (slope - sum),
  // sum being that of p * slope. out may be slope.
  void (*softmax_backward)(const float* p, const float* slope, float sum, int n, float* out);
  // One pass over parameters, gradients and both moments.
  void (*adamw)(float* params, const float* grads, float* first, float* second, int64_t n,
                const AdamwStep* step);
  // The sum of squares, each in F32. It is finite only if all numbers are, and none is beyond 1e19.
  double (*sum_squares)(const float* x, int64_t n);
  float (*dot)(const float* a, const float* b, int n);
  int (*argmax)(const float* x, int n);  // the first of the largest; NaN never wins
};

}  // namespace issun::kernels
