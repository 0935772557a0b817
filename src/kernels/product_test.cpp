#include <doctest/doctest.h>

#include "kernels/testing.h"

using namespace issun;
using namespace issun::kernels;
using namespace issun::kernels::testing;

namespace {

enum class Family { kDotQ8, kPanelQ8, kDotF32, kPanelF32 };

LinearKernel kernel_of(const KernelTable& table, Family family, DType type) {
  const auto id = static_cast<size_t>(type);
  switch (family) {
    case Family::kDotQ8:
      return table.dot_q8[id];
    case Family::kPanelQ8:
      return table.panel_q8[id];
    case Family::kDotF32:
      return table.dot_f32[id];
    default:
      return table.panel_f32[id];
  }
}

bool is_q8(Family family) { return family == Family::kDotQ8 || family == Family::kPanelQ8; }

struct LinearCase {
  const KernelTable& table;
  Family family;
  const Weights& weights;
  const std::vector<float>& x;
  const Prepared& prepared;
};

// Rows [begin, end) and tokens [first, last) into out: (last - first, weights.rows).
void run(const LinearCase& c, int64_t begin, int64_t end, int first, int last, float* out) {
  static const AlignedBuffer scratch = std::move(*AlignedBuffer::create(kScratchBytes));
  const int columns = c.weights.columns;
  LinearTask task{};
  task.weights = c.weights.data();
  task.row_bytes = row_bytes(c.weights.type, columns);
  task.columns = columns;
  task.activation_stride = is_q8(c.family) ? q8_bytes(columns) : int64_t{4} * columns;
  task.activations =
      is_q8(c.family)
          ? static_cast<const void*>(c.prepared.buffer.data() + first * q8_bytes(columns))
          : c.x.data() + int64_t{first} * columns;
  task.tokens = last - first;
  task.out = out;
  task.out_stride = c.weights.rows;
  task.read_ahead = 2048;  // changes nothing but what is near
  kernel_of(c.table, c.family, c.weights.type)(&task, begin, end, scratch.data());
}

// How far a product may be from the exact product of the decoded weights and what the activations
// stand for: float sums of n terms in some order, n / 16 in each lane; in the q8 families also
// the sums of activations that meet the mins, which are rounded to 16 bits: 4 units of the base
// scale each.
double tolerance(const LinearCase& c, int t, const Exact& exact, double largest_weight) {
  double allowed = exact.size * 1.2e-7 * (8 + c.weights.columns / 64.0);
  if (is_q8(c.family))
    for (int b = 0; b < (c.weights.columns + 255) / 256; ++b)
      allowed += 8 * 4 * double{c.prepared.block(t, b).base} * 16 * largest_weight;
  return allowed + 1e-30;
}

void check_all(const KernelTable& table, const Weights& weights, const std::vector<float>& x,
               int tokens) {
  const Prepared prepared(table, x, tokens, weights.columns);
  double largest_weight = 0;
  for (float w : weights.values) largest_weight = std::max(largest_weight, std::fabs(double{w}));
  for (Family family : {Family::kDotQ8, Family::kPanelQ8, Family::kDotF32, Family::kPanelF32}) {
    if (kernel_of(table, family, weights.type) == nullptr) {
      CHECK(is_q8(family));
      CHECK(is_float(weights.type));
      continue;
    }
    const LinearCase c{table, family, weights, x, prepared};
    const size_t size = static_cast<size_t>(tokens) * static_cast<size_t>(weights.rows);
    std::vector<float> out(size, NAN);
    run(c, 0, weights.rows, 0, tokens, out.data());
    double worst = 0;
    for (int t = 0; t < tokens; ++t)
      for (int r = 0; r < weights.rows; ++r) {
        const float* a = is_q8(family) ? prepared.row(t) : x.data() + int64_t{t} * weights.columns;
        const Exact exact = dot_exactly(weights.row(r), a, weights.columns);
        const double error =
            std::fabs(double{out[static_cast<size_t>(t * weights.rows + r)]} - exact.value);
        worst =
            std::max(worst, !(error >= 0) ? 1e9 : error / tolerance(c, t, exact, largest_weight));
      }
    INFO(std::string(table.name) << " " << std::string(name(weights.type)) << " family "
                                 << static_cast<int>(family) << " " << weights.rows << " x "
                                 << weights.columns << ", " << tokens << " tokens");
    CHECK(worst <= 1);

    // The same bits whichever rows and tokens share a call.
    std::vector<float> parts(size, NAN);
    const int row_step = weights.rows > 40 ? 7 : 3, token_step = tokens > 8 ? 5 : 1;
    for (int t = 0; t < tokens; t += token_step)
      for (int r = 0; r < weights.rows; r += row_step)
        run(c, r, std::min(r + row_step, weights.rows), t, std::min(t + token_step, tokens),
            parts.data() + int64_t{t} * weights.rows);
    CHECK(std::memcmp(parts.data(), out.data(), size * sizeof(float)) == 0);
  }
}

}  // namespace

TEST_CASE("Products of every format agree with the decoded rows on every instruction set") {
  std::mt19937 random(7);
  for (DType type : kAllTypes) {
    struct Shape {
      int rows, columns, tokens;
    };
    std::vector<Shape> shapes = {{33, 512, 13}, {5, 2048, 3}, {48, 256, 40}};
    const int block = facts(type).block;
    if (block > 1 && block < 256)
      shapes.insert(shapes.end(), {{17, 3 * block, 6}, {35, 33 * block, 9}});
    if (block == 1) shapes.insert(shapes.end(), {{19, 172, 7}, {40, 5, 11}});
    for (const Shape& s : shapes) {
      const Weights weights = random_weights(type, s.rows, s.columns, random);
      const std::vector<float> x = random_floats(int64_t{s.tokens} * s.columns, random);
      for (const KernelTable* table : available_kernels()) check_all(*table, weights, x, s.tokens);
    }
  }
}

TEST_CASE("Products hold for any number of tokens from 1 to 40") {
  std::mt19937 random(8);
  for (DType type : {DType::Q4_K, DType::Q8_0, DType::Q6_K, DType::Q2_K, DType::Q5_1, DType::IQ4_NL,
                     DType::IQ2_S, DType::F16}) {
    const Weights weights = random_weights(type, 9, 256, random);
    for (int tokens = 1; tokens <= 40; ++tokens) {
      const std::vector<float> x = random_floats(int64_t{tokens} * 256, random);
      check_all(*available_kernels().back(), weights, x, tokens);
    }
  }
}

TEST_CASE("Products hold for the bits a file may contain: extreme codes, zero and tiny scales") {
  std::mt19937 random(9);
  for (DType type : kAllTypes) {
    if (is_float(type)) continue;
    for (int byte : {0x00, 0xff, 0x80, 0x7f, -1}) {
      Weights weights = random_weights(type, 34, 512, random);
      const int64_t block_bytes = facts(type).bytes;
      const int64_t blocks = static_cast<int64_t>(weights.bytes.size() - 2) / block_bytes;
      for (int64_t b = 0; b < blocks; ++b) {
        std::byte* block = weights.bytes.data() + 2 + b * block_bytes;
        for (int64_t i = 0; i < block_bytes; ++i)
          block[i] = static_cast<std::byte>(byte < 0 ? random() : static_cast<unsigned>(byte));
        // Scales: 1, 0, the smallest denormal, -2.
        const uint16_t scales[] = {0x3c00, 0x0000, 0x0001, 0xc000};
        set_scales(type, block, scales[b % 4], scales[b / 4 % 4]);
      }
      decode(weights);
      std::vector<float> x = random_floats(int64_t{14} * 512, random);
      for (int c = 0; c < 512; ++c) {
        x[static_cast<size_t>(c)] = c % 2 == 0 ? 3.0f : -3.0f;  // all codes +-127
        x[static_cast<size_t>(512 + c)] = 3.0f;                 // the largest sums
        x[static_cast<size_t>(1024 + c)] = 0.0f;
        x[static_cast<size_t>(1536 + c)] *=
            c / 32 % 2 == 0 ? 1e3f : 1e-3f;  // outliers beside small groups
        x[static_cast<size_t>(2048 + c)] *= 1e-38f;
        x[static_cast<size_t>(2560 + c)] *= 1e30f;
      }
      for (const KernelTable* table : available_kernels()) check_all(*table, weights, x, 14);
    }
  }
}

TEST_CASE("Quantised activations are within half a step, and steps follow the largest of 64") {
  std::mt19937 random(10);
  for (const KernelTable* table : available_kernels()) {
    for (int columns : {32, 96, 256, 2048 + 32}) {
      std::vector<float> x = random_floats(columns, random);
      for (int c = 0; c < columns; c += 37) x[static_cast<size_t>(c)] *= 100;
      const Prepared prepared(*table, x, 1, columns);
      for (int g = 0; g < columns / 32; ++g) {
        const Q8Block& b = prepared.block(0, g / 8);
        float group = 0, block = 0;
        int32_t sum = 0, sums16[2] = {0, 0};
        for (int c = g / 8 * 256; c < std::min(g / 8 * 256 + 256, columns); ++c) {
          const float size = std::fabs(x[static_cast<size_t>(c)]);
          block = std::max(block, size);
          if (c / 64 == g / 2) group = std::max(group, size);
        }
        for (int i = 0; i < 32; ++i) {
          const float value = x[static_cast<size_t>(32 * g + i)];
          const int q = b.q[32 * (g % 8) + i];
          CHECK(std::abs(q) <= 127);
          sum += q;
          sums16[i / 16] += q;
          CHECK(std::fabs(value - prepared.row(0)[32 * g + i]) <= b.scale[g % 8] * 0.50001f);
        }
        CHECK(b.scale[g % 8] <= (group / 127 + block / 127 / kMostFactor) * 1.00001f);
        CHECK(b.scale[g % 8] == b.base * static_cast<float>(b.factor32[g % 8]));
        CHECK(b.offset32[g % 8] == -128 * sum);
        CHECK(b.offset16[g % 8 * 2] == -128 * sums16[0]);
        CHECK(b.offset16[g % 8 * 2 + 1] == -128 * sums16[1]);
        CHECK(std::fabs(b.sum_scale * static_cast<float>(b.group_sums[8 + g % 8]) -
                        b.scale[g % 8] * static_cast<float>(sum)) <= 4 * b.base);
        CHECK(b.factor16[g % 8 * 2] == b.factor32[g % 8]);
        CHECK(b.factor16[g % 8 * 2 + 1] == b.factor32[g % 8]);
        CHECK(b.sums16[g % 8 * 2 + 1] == -16 * sums16[1]);
      }
    }
  }
}

TEST_CASE("A token with an activation that is no number has no numbers for products") {
  std::mt19937 random(12);
  for (DType type :
       {DType::Q8_0, DType::Q4_1, DType::Q2_K, DType::Q4_K, DType::Q6_K, DType::IQ1_S}) {
    const Weights weights = random_weights(type, 5, 256, random);
    for (float bad : {NAN, INFINITY})
      for (const KernelTable* table : available_kernels()) {
        std::vector<float> x = random_floats(2 * 256, random), out(10);
        x[40] = bad;
        const Prepared prepared(*table, x, 2, 256);
        for (Family family : {Family::kDotQ8, Family::kPanelQ8}) {
          run({*table, family, weights, x, prepared}, 0, 5, 0, 2, out.data());
          for (int r = 0; r < 5; ++r) {
            CHECK(std::isnan(out[static_cast<size_t>(r)]));
            CHECK(std::isfinite(out[static_cast<size_t>(5 + r)]));
          }
        }
      }
  }
}

TEST_CASE("Decoded rows have the bits of the codec on every instruction set") {
  std::mt19937 random(11);
  for (DType type : kAllTypes)
    for (int columns : {512, facts(type).block == 1 ? 172 : 256 + 3 * facts(type).block}) {
      const Weights weights = random_weights(type, 3, columns, random);
      for (const KernelTable* table : available_kernels())
        for (int r = 0; r < weights.rows; ++r) {
          std::vector<float> out(static_cast<size_t>(columns));
          embed_row(*table, weights.tensor(), r, out);
          INFO(std::string(table->name) << " " << std::string(name(type)));
          CHECK(std::memcmp(out.data(), weights.row(r), out.size() * sizeof(float)) == 0);
        }
    }
}
