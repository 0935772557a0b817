#include "kernels/gemm.h"

#include <doctest/doctest.h>

#include "kernels/testing.h"
#include "make_workers.h"
#include "tensor/half.h"

using namespace issun;
using namespace issun::kernels;
using namespace issun::kernels::testing;

namespace {

// What one side of a product means: (rows, columns) in whichever order they lie.
struct Side {
  Weights weights;
  bool transposed;
  double at(int i, int j) const {
    return transposed ? double{weights.row(j)[i]} : double{weights.row(i)[j]};
  }
};

Side random_side(DType type, int rows, int columns, bool transposed, std::mt19937& random) {
  return {transposed ? random_weights(type, columns, rows, random)
                     : random_weights(type, rows, columns, random),
          transposed};
}

double rounded(double x, GemmPrecision precision) {
  return precision == GemmPrecision::F32 ? x
                                         : double{bf16_to_f32(f32_to_bf16(static_cast<float>(x)))};
}

struct Pool {
  std::unique_ptr<Workers> threads;
  GemmScratch scratch;
  explicit Pool(int workers)
      : threads(make_workers(workers)), scratch(std::move(*GemmScratch::create(workers))) {}
};

struct GemmCase {
  Side a, b;
  bool accumulate;
  GemmPrecision precision;
  int m, n, k;
};

// The output, with a margin around each row that nothing may write to.
constexpr int kMargin = 3;
constexpr float kBefore = 0.25f, kOutside = -77;
std::vector<float> multiply(const KernelTable& table, Pool& pool, const GemmCase& c) {
  const int stride = c.n + kMargin;
  std::vector<float> out(static_cast<size_t>(c.m) * static_cast<size_t>(stride), kOutside);
  for (int i = 0; i < c.m; ++i)
    for (int j = 0; j < c.n; ++j) out[static_cast<size_t>(i * stride + j)] = kBefore;
  const Gemm product{operand(c.a.weights.tensor(), c.a.transposed),
                     operand(c.b.weights.tensor(), c.b.transposed),
                     {out.data(), c.m, c.n, stride},
                     c.accumulate,
                     c.precision};
  gemm(table, *pool.threads, pool.scratch, {&product, 1});
  return out;
}

// Sums of k products in blocks of at most 512: no more roundings than one for each, and in BF16 a
// second one for each.
void check_product(const GemmCase& c, const std::vector<float>& out) {
  for (int i = 0; i < c.m; ++i) {
    const float* row = out.data() + i * (c.n + kMargin);
    for (int j = 0; j < c.n; ++j) {
      Exact exact{c.accumulate ? double{kBefore} : 0, double{kBefore}};
      for (int p = 0; p < c.k; ++p) {
        const double product =
            rounded(c.a.at(i, p), c.precision) * rounded(c.b.at(p, j), c.precision);
        exact.value += product;
        exact.size += std::fabs(product);
      }
      if (std::fabs(double{row[j]} - exact.value) > exact.size * 6e-8 * (4 + 2 * std::sqrt(c.k)))
        FAIL("row " << i << " of " << c.m << ", column " << j << " of " << c.n << ", k " << c.k
                    << ": " << row[j] << ", expected " << exact.value);
    }
    for (int j = c.n; j < c.n + kMargin; ++j)
      if (row[j] != kOutside) FAIL("written beyond row " << i);
  }
}

void check_case(const GemmCase& c) {
  static Pool one(1), three(3);
  for (const KernelTable* table : available_kernels()) {
    CAPTURE(table->name);
    const std::vector<float> out = multiply(*table, one, c);
    check_product(c, out);
    CHECK(multiply(*table, three, c) == out);
  }
}

}  // namespace

TEST_CASE(
    "Products of float matrices of any size, either way round, are right on every instruction "
    "set") {
  std::mt19937 random(41);
  constexpr int kSizes[][3] = {{1, 1, 1},      {5, 3, 7},     {6, 16, 16},
                               {12, 32, 256},  {13, 33, 257}, {97, 65, 19},
                               {64, 200, 300}, {7, 513, 64},  {200, 31, 515}};
  for (const auto& [m, n, k] : kSizes)
    for (int form = 0; form < 8; ++form) {
      const auto precision = form < 4 ? GemmPrecision::F32 : GemmPrecision::BF16;
      check_case({random_side(DType::F32, m, k, (form & 1) != 0, random),
                  random_side(DType::F32, k, n, (form & 2) != 0, random), (m + form) % 2 == 1,
                  precision, m, n, k});
    }
}

TEST_CASE("Products that take several blocks of rows and columns") {
  std::mt19937 random(42);
  check_case({random_side(DType::F32, 1700, 9, true, random),
              random_side(DType::F32, 9, 40, false, random), true, GemmPrecision::F32, 1700, 40,
              9});
  check_case({random_side(DType::F32, 8, 270, false, random),
              random_side(DType::F32, 270, 3333, true, random), false, GemmPrecision::F32, 8, 3333,
              270});
}

TEST_CASE("A product along nothing is zero, or what was there") {
  std::mt19937 random(43);
  for (bool accumulate : {false, true}) {
    GemmCase c{random_side(DType::F32, 1, 1, false, random),
               random_side(DType::F32, 1, 1, false, random),
               accumulate,
               GemmPrecision::F32,
               2,
               5,
               0};
    c.a.weights.rows = 2, c.a.weights.columns = 0, c.b.weights.rows = 0, c.b.weights.columns = 5;
    check_case(c);
  }
}

TEST_CASE("Weights of every type are decoded exactly on either side, either way round") {
  std::mt19937 random(44);
  for (DType type : kAllTypes)
    for (int form = 0; form < 4; ++form) {
      CAPTURE(name(type));
      // Rows of several units, where the type has shorter blocks with a part of one.
      const int block = facts(type).block;
      const int length = block == 1 ? 333 : block < 128 ? 9 * block : 3 * block, other = 37;
      const auto precision = form == 3 ? GemmPrecision::BF16 : GemmPrecision::F32;
      const bool is_a = (form & 1) != 0, along = (form & 2) != 0;  // along: the rows go along k
      const int k = along ? length : other, lines = along ? other : length;
      if (is_a)
        check_case({random_side(type, lines, k, !along, random),
                    random_side(DType::F32, k, 21, false, random), true, precision, lines, 21, k});
      else
        check_case({random_side(DType::F32, 21, k, false, random),
                    random_side(type, k, lines, along, random), false, precision, 21, lines, k});
    }
}

TEST_CASE("Products that share a side have the bits of each by itself") {
  std::mt19937 random(45);
  const Side x = random_side(DType::F32, 50, 512, false, random);
  std::vector<GemmCase> cases;
  for (int n : {48, 3, 2900, 300, 17})
    cases.push_back({x, random_side(n == 300 ? DType::Q4_K : DType::F32, 512, n, true, random),
                     false, n == 17 ? GemmPrecision::BF16 : GemmPrecision::F32, 50, n, 512});
  Pool pool(2);
  for (const KernelTable* table : available_kernels()) {
    std::vector<std::vector<float>> outs;
    std::vector<Gemm> products;
    for (const GemmCase& c : cases) {
      outs.emplace_back(static_cast<size_t>(50 * (c.n + kMargin)), kOutside);
      products.push_back({operand(x.weights.tensor()),
                          operand(c.b.weights.tensor(), true),
                          {outs.back().data(), 50, c.n, c.n + kMargin},
                          false,
                          c.precision});
    }
    gemm(*table, *pool.threads, pool.scratch, products);
    for (size_t i = 0; i < cases.size(); ++i) CHECK(outs[i] == multiply(*table, pool, cases[i]));
  }
}

TEST_CASE("Small products are right for every order of the sides") {
  std::mt19937 random(46);
  const auto scratch = AlignedBuffer::create(kScratchBytes);
  constexpr int kSizes[][3] = {{1, 1, 1}, {64, 64, 64}, {63, 17, 65}, {100, 40, 300}, {3, 80, 0}};
  for (const KernelTable* table : available_kernels())
    for (const auto& [m, n, k] : kSizes)
      for (int form = 0; form < 8; ++form) {
        const GemmCase c{random_side(DType::F32, m, std::max(k, 1), (form & 1) != 0, random),
                         random_side(DType::F32, std::max(k, 1), n, (form & 2) != 0, random),
                         (form & 4) != 0,
                         GemmPrecision::F32,
                         m,
                         n,
                         k};
        const int stride = n + kMargin;
        std::vector<float> out(static_cast<size_t>(m) * static_cast<size_t>(stride), kOutside);
        for (int i = 0; i < m; ++i)
          for (int j = 0; j < n; ++j) out[static_cast<size_t>(i * stride + j)] = kBefore;
        const bool at = c.a.transposed, bt = c.b.transposed;
        const SmallGemm task{c.a.weights.row(0),
                             at ? 1 : c.a.weights.columns,
                             at ? c.a.weights.columns : 1,
                             c.b.weights.row(0),
                             bt ? 1 : c.b.weights.columns,
                             bt ? c.b.weights.columns : 1,
                             m,
                             n,
                             k,
                             out.data(),
                             stride,
                             0.5f,
                             c.accumulate};
        table->small_gemm(&task, scratch->data());
        GemmCase halved = c;
        for (float& w : halved.a.weights.values) w *= 0.5f;
        check_product(halved, out);
      }
}

TEST_CASE("What is not a number reaches exactly the outputs that depend on it") {
  std::mt19937 random(47);
  Pool pool(2);
  for (const KernelTable* table : available_kernels())
    for (auto precision : {GemmPrecision::F32, GemmPrecision::BF16}) {
      GemmCase c{random_side(DType::F32, 9, 40, false, random),
                 random_side(DType::F32, 40, 50, false, random),
                 false,
                 precision,
                 9,
                 50,
                 40};
      const float nan = NAN;
      std::memcpy(c.a.weights.bytes.data() + 2 + 4 * (4 * 40 + 39), &nan, 4);
      const std::vector<float> out = multiply(*table, pool, c);
      for (int i = 0; i < c.m; ++i)
        for (int j = 0; j < c.n; ++j)
          CHECK(std::isnan(out[static_cast<size_t>(i * (c.n + kMargin) + j)]) == (i == 4));
    }
}
