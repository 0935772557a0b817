// Speed of the kernels, one line of JSON a case. Usage: bench_kernels [isa] [part of a case's name]
// One thread, by the processor time of the thread (so other programs disturb less), minimum of
// several runs. Weights of the decode cases are larger than the caches; shares are of peaks
// measured here.
#include <fmt/format.h>
#include <time.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "kernels/dispatch.h"
#include "kernels/linear.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "simd/tiles.h"
#endif

using namespace issun;
using namespace issun::kernels;

namespace {

double thread_seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

template <class Body>
double fastest(Body&& body, int least_runs = 5, double least_seconds = 0.4) {
  double best = 1e9, total = 0;
  for (int run = 0; run < least_runs || total < least_seconds; ++run) {
    const double start = thread_seconds();
    body();
    const double seconds = thread_seconds() - start;
    total += seconds;
    if (run > 0) best = std::min(best, seconds);
  }
  return best;
}

// Multiply-and-adds of one instruction set's dot product (or, where there is none, of its floats)
// per second.
#if defined(__x86_64__)
__attribute__((target("avx512f,avx512vnni"))) void spin_avx512(int64_t rounds) {
  for (int64_t i = 0; i < rounds; ++i)
    asm volatile(
        "vpdpbusd %%zmm30,%%zmm31,%%zmm0\nvpdpbusd %%zmm30,%%zmm31,%%zmm1\nvpdpbusd "
        "%%zmm30,%%zmm31,%%zmm2\n"
        "vpdpbusd %%zmm30,%%zmm31,%%zmm3\nvpdpbusd %%zmm30,%%zmm31,%%zmm4\nvpdpbusd "
        "%%zmm30,%%zmm31,%%zmm5\n"
        "vpdpbusd %%zmm30,%%zmm31,%%zmm6\nvpdpbusd %%zmm30,%%zmm31,%%zmm7\nvpdpbusd "
        "%%zmm30,%%zmm31,%%zmm8\n"
        "vpdpbusd %%zmm30,%%zmm31,%%zmm9\nvpdpbusd %%zmm30,%%zmm31,%%zmm10\nvpdpbusd "
        "%%zmm30,%%zmm31,%%zmm11\n" ::
            : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
              "xmm10", "xmm11");
}
__attribute__((target("avx2"))) void spin_avx2(int64_t rounds) {
  for (int64_t i = 0; i < rounds; ++i)
    asm volatile(
        "vpmaddubsw %%ymm14,%%ymm15,%%ymm12\nvpmaddwd %%ymm14,%%ymm12,%%ymm12\nvpaddd "
        "%%ymm12,%%ymm0,%%ymm0\n"
        "vpmaddubsw %%ymm14,%%ymm15,%%ymm13\nvpmaddwd %%ymm14,%%ymm13,%%ymm13\nvpaddd "
        "%%ymm13,%%ymm1,%%ymm1\n"
        "vpmaddubsw %%ymm14,%%ymm15,%%ymm10\nvpmaddwd %%ymm14,%%ymm10,%%ymm10\nvpaddd "
        "%%ymm10,%%ymm2,%%ymm2\n"
        "vpmaddubsw %%ymm14,%%ymm15,%%ymm11\nvpmaddwd %%ymm14,%%ymm11,%%ymm11\nvpaddd "
        "%%ymm11,%%ymm3,%%ymm3\n" ::
            : "xmm0", "xmm1", "xmm2", "xmm3", "xmm10", "xmm11", "xmm12", "xmm13");
}
// Products of bf16 tiles that are in registers already.
void spin_tiles(int64_t rounds) {
  simd::TileShapes shapes;
  for (int tile = 0; tile < 8; ++tile) shapes.lines[tile] = 16, shapes.line_bytes[tile] = 64;
  simd::shape_tiles(shapes);
  for (int64_t i = 0; i < rounds; ++i) {
    simd::multiply_tiles<0, 4, 6>();
    simd::multiply_tiles<1, 4, 7>();
    simd::multiply_tiles<2, 5, 6>();
    simd::multiply_tiles<3, 5, 7>();
  }
  simd::release_tiles();
}
#endif

constexpr int64_t kRounds = 1000000;
double tile_peak_gflops(const KernelTable& table) {
#if defined(__x86_64__)
  if (table.tiles != nullptr && std::strcmp(table.name, "amx") == 0)
    return 2e-9 * 4 * 16 * 16 * 32 * kRounds / fastest([&] { spin_tiles(kRounds); });
#endif
  (void)table;
  return 0;
}

double peak_gflops(const KernelTable& table) {
#if defined(__x86_64__)
  if (std::strncmp(table.vectors, "avx512", 6) == 0)
    return 2e-9 * 12 * 64 * kRounds / fastest([&] { spin_avx512(kRounds); });
  if (std::strcmp(table.vectors, "avx2") == 0)
    return 2e-9 * 4 * 32 * kRounds / fastest([&] { spin_avx2(kRounds); });
#endif
  (void)table;
  return 0;
}

double read_gigabytes(const AlignedBuffer& memory) {
  volatile float sink = 0;
  const auto floats = memory.as<const float>();
  const KernelTable& table = *available_kernels().back();
  return 1e-9 * static_cast<double>(memory.bytes()) / fastest([&] {
           sink = sink + table.dot(floats.data(), floats.data(), static_cast<int>(floats.size()));
         });
}

class Bench {
 public:
  Bench(const KernelTable& table, std::string filter) : table_(table), filter_(std::move(filter)) {
    weights_ = std::move(*AlignedBuffer::create(kWeightBytes));
    std::mt19937 random(1);
    for (uint32_t& word : weights_.as<uint32_t>())
      word = random() & 0x1fff1fff;  // small scales, no NaN
    scratch_ = std::move(*AlignedBuffer::create(kScratchBytes));
    out_ = std::move(*AlignedBuffer::create(int64_t{512} * 8192 * 4));
    prepared_ = std::move(*AlignedBuffer::create(prepared_bytes(table, 8192) * 512));
    x_.resize(size_t{512} * 8192);
    std::normal_distribution<float> normal;
    for (float& x : x_) x = normal(random);
    peak_ = peak_gflops(table);
    tile_peak_ = tile_peak_gflops(table);
    read_ = read_gigabytes(weights_);
  }

  void products(DType type, bool q8, int rows, int columns, int tokens) {
    const bool few = tokens <= 4;
    products(type, q8, few, rows, columns, tokens);
    if (!few) in_brains(type, rows, columns, tokens);
  }

  // Every family, where each might be the fastest one.
  void batches(DType type, int rows, int columns) {
    for (const int tokens : {2, 3, 4, 5, 6, 7, 8, 12, 16, 24, 32}) {
      products(type, true, true, rows, columns, tokens);
      products(type, true, false, rows, columns, tokens);
      in_brains(type, rows, columns, tokens);
    }
  }

  void products(DType type, bool q8, bool few, int rows, int columns, int tokens) {
    const auto id = static_cast<size_t>(type);
    const LinearKernel kernel = q8 ? (few ? table_.dot_q8[id] : table_.panel_q8[id])
                                   : (few ? table_.dot_f32[id] : table_.panel_f32[id]);
    products(fmt::format("{}_{}_{}", few ? "dot" : "panel", q8 ? "q8" : "f32", issun::name(type)),
             kernel, q8 ? ActivationForm::Q8 : ActivationForm::Floats, type, rows, columns, tokens);
  }

  void in_brains(DType type, int rows, int columns, int tokens) {
    products(fmt::format("brains_{}", issun::name(type)),
             table_.panel_brains[static_cast<size_t>(type)], ActivationForm::Brains, type, rows,
             columns, tokens);
  }

  void products(const std::string& name, LinearKernel kernel, ActivationForm form, DType type,
                int rows, int columns, int tokens) {
    const bool from_memory = tokens <= 32, floats = form == ActivationForm::Floats;
    if (kernel == nullptr || name.find(filter_) == std::string::npos) return;
    LinearTask task{};
    task.row_bytes = row_bytes(type, columns);
    task.columns = columns;
    task.tokens = tokens;
    task.out = out_.as<float>().data();
    task.out_stride = rows;
    task.read_ahead = table_.read_ahead;
    task.activations = floats ? static_cast<const void*>(x_.data()) : prepared_.data();
    task.activation_stride = floats                       ? int64_t{4} * columns
                             : form == ActivationForm::Q8 ? q8_bytes(columns)
                                                          : kBrainStride;
    task.plane_stride = tokens * kBrainStride;
    for (int t = 0; !floats && t < tokens; ++t) {
      const float* x = x_.data() + int64_t{t} * columns;
      std::byte* to = prepared_.data() + t * task.activation_stride;
      if (form == ActivationForm::Q8)
        table_.quantise(x, columns, to);
      else
        table_.round_row(x, columns, to, task.plane_stride);
    }
    const int64_t bytes = rows * task.row_bytes;
    // Few tokens read another part of the memory each time, as a model does.
    const int64_t places = from_memory ? weights_.bytes() / bytes : 1;
    const double seconds = fastest([&] {
                             for (int64_t place = 0; place < places; ++place) {
                               task.weights = weights_.data() + place * bytes;
                               kernel(&task, 0, rows, scratch_.data());
                             }
                           }) /
                           static_cast<double>(places);
    const double peak = form == ActivationForm::Brains ? tile_peak_ : peak_;
    const double gflops = 2e-9 * rows * columns * tokens / seconds,
                 gigabytes = 1e-9 * static_cast<double>(bytes) / seconds;
    fmt::print(
        "{{\"case\": \"{}\", \"isa\": \"{}\", \"rows\": {}, \"columns\": {}, \"tokens\": {}, "
        "\"threads\": 1, "
        "\"us\": {:.1f}, \"gflops\": {:.1f}, \"share_of_peak\": {:.2f}, \"gigabytes\": {:.1f}, "
        "\"share_of_reading\": {:.2f}}}\n",
        name, table_.name, rows, columns, tokens, seconds * 1e6, gflops,
        peak > 0 ? gflops / peak : 0, gigabytes, gigabytes / read_);
  }

  // One key-value head: `tokens` new positions after `before` others, `heads` query heads that
  // share it.
  void attention(DType type, int before, int tokens, int heads, int width) {
    attention("attention", table_.attention, type, before, tokens, heads, width);
    if (tokens > 1 && table_.attention_in_words.attend != nullptr)
      attention("attention_in_words", table_.attention_in_words, type, before, tokens, heads,
                width);
  }

  void attention(std::string_view what, const AttentionKernels& way, DType type, int before,
                 int tokens, int heads, int width) {
    const std::string name = fmt::format("{}_{}", what, issun::name(type));
    if (name.find(filter_) == std::string::npos) return;
    constexpr int kPageTokens = 64;
    std::vector<const void*> pages;
    for (int p = 0; p * kPageTokens < before + tokens; ++p)
      pages.push_back(weights_.data() +
                      p * kPageTokens * row_bytes(type, round_up(width, facts(type).block)));
    std::vector<int> begin, end;
    for (int t = 0; t < tokens; ++t)
      for (int h = 0; h < heads; ++h) begin.push_back(0), end.push_back(before + t + 1);
    const auto scratch = AlignedBuffer::create(way.scratch_bytes(width, width));
    AttentionTask task{};
    task.queries = x_.data();
    task.query_stride = width;
    task.rows = tokens * heads;
    task.key_width = task.value_width = width;
    task.key_type = task.value_type = static_cast<int>(type);
    task.key_pages = task.value_pages = pages.data();
    task.page_tokens = kPageTokens;
    task.visible_begin = begin.data();
    task.visible_end = end.data();
    task.scale = 0.125f;
    task.out = out_.as<float>().data();
    task.out_stride = width;
    const double seconds = fastest([&] { way.attend(&task, scratch->data()); });
    double pairs = 0;
    for (int e : end) pairs += e;
    fmt::print(
        "{{\"case\": \"{}\", \"isa\": \"{}\", \"before\": {}, \"tokens\": {}, \"heads\": {}, "
        "\"width\": {}, \"threads\": 1, \"us\": {:.1f}, \"gflops\": {:.1f}}}\n",
        name, table_.name, before, tokens, heads, width, seconds * 1e6,
        4e-9 * pairs * width / seconds);
  }

  void quantise(int columns) {
    if (std::string("quantise").find(filter_) == std::string::npos) return;
    const double seconds = fastest([&] {
      for (int t = 0; t < 512; ++t)
        table_.quantise(x_.data() + int64_t{t} * columns, columns,
                        prepared_.data() + t * q8_bytes(columns));
    });
    fmt::print(
        "{{\"case\": \"quantise\", \"isa\": \"{}\", \"columns\": {}, \"tokens\": 512, \"threads\": "
        "1, \"us\": {:.1f}}}\n",
        table_.name, columns, seconds * 1e6);
  }

  void limits() const {
    fmt::print(
        "{{\"case\": \"limits\", \"isa\": \"{}\", \"threads\": 1, \"gflops\": {:.1f}, "
        "\"gigabytes\": {:.1f}}}\n",
        table_.name, peak_, read_);
  }

 private:
  static constexpr int64_t kWeightBytes = int64_t{256} << 20;
  const KernelTable& table_;
  std::string filter_;
  AlignedBuffer weights_, scratch_, out_, prepared_;
  std::vector<float> x_;
  double peak_ = 0, tile_peak_ = 0, read_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const std::string isa = argc > 1 ? argv[1] : "";
  for (const KernelTable* table : available_kernels()) {
    if (!isa.empty() && isa != table->name) continue;
    if (isa.empty() && table != available_kernels().back()) continue;
    Bench bench(*table, argc > 2 ? argv[2] : "");
    bench.limits();
    for (DType type : {DType::Q4_K, DType::Q6_K, DType::Q8_0, DType::Q4_0, DType::Q5_K}) {
      bench.products(type, true, 2048, 2048, 1);
      bench.products(type, true, 2048, 2048, 4);
      bench.products(type, true, 2048, 2048, 512);
      bench.products(type, true, 2048, 8192, 512);
    }
    for (DType type : {DType::Q4_K, DType::Q6_K, DType::Q8_0, DType::Q4_0})
      bench.batches(type, 2048, 2048);
    for (DType type : {DType::F16, DType::BF16, DType::F32, DType::Q4_K}) {
      bench.products(type, false, 2048, 2048, 1);
      for (const int tokens : {8, 128, 512}) bench.products(type, false, 2048, 2048, tokens);
    }
    for (DType type : {DType::F16, DType::F32, DType::Q8_0, DType::Q5_1, DType::Q5_0, DType::Q4_1,
                       DType::Q4_0, DType::IQ4_NL}) {
      bench.attention(type, 0, 512, 4, 64);
      bench.attention(type, 4096, 1, 4, 64);
      bench.attention(type, 4096, 1, 1, 96);
    }
    bench.quantise(2048);
  }
}
