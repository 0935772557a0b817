// Products in bf16: on tiles, in plain C++ and, where the processor has them, its own; and on
// vectors of pairs.
#include <doctest/doctest.h>

#include <array>

#include "kernels/attention_testing.h"
#include "kernels/gemm.h"
#include "kernels/tiles_testing.h"
#include "make_workers.h"

using namespace issun;
using namespace issun::kernels;
using namespace issun::kernels::testing;

namespace {

std::vector<const KernelTable*> tables_with_tiles() {
  std::vector<const KernelTable*> tables;
  for (const KernelTable* table : kernels_and_plain_tiles())
    if (table->tiles != nullptr) tables.push_back(table);
  return tables;
}

// Those that multiply anything in bf16.
std::vector<const KernelTable*> tables_with_brains() {
  std::vector<const KernelTable*> tables;
  for (const KernelTable* table : kernels_and_plain_tiles())
    if (table->brain_planes > 0) tables.push_back(table);
  return tables;
}

struct Sizes {
  int rows, columns, tokens;
};

struct Rows {
  AlignedBuffer prepared;
  std::vector<float> x;
  int tokens, columns;
  Rows(const KernelTable& table, int token_count, int column_count, std::mt19937& random)
      : x(random_floats(int64_t{token_count} * column_count, random)),
        tokens(token_count),
        columns(column_count) {
    prepared =
        std::move(*AlignedBuffer::create(brain_row_bytes(columns, table.brain_planes) * tokens));
    for (int t = 0; t < tokens; ++t) round(table, t);
  }
  int64_t plane() const { return tokens * kBrainStride; }
  void round(const KernelTable& table, int t) {
    table.round_row(row(t), columns, prepared.data() + kBrainStride * t, plane());
  }
  const float* row(int t) const { return x.data() + int64_t{t} * columns; }
};

// Rows [begin, end) of weights times tokens [first, last) into out (last - first, weights.rows).
void multiply_rows(const KernelTable& table, const Weights& weights, const Rows& rows, int begin,
                   int end, int first, int last, float* out) {
  const auto scratch = AlignedBuffer::create(kScratchBytes);
  LinearTask task{};
  task.weights = weights.data();
  task.row_bytes = row_bytes(weights.type, weights.columns);
  task.columns = weights.columns;
  task.activation_stride = kBrainStride;
  task.plane_stride = rows.plane();
  task.activations = rows.prepared.data() + first * task.activation_stride;
  task.tokens = last - first;
  task.out = out;
  task.out_stride = weights.rows;
  table.panel_brains[static_cast<size_t>(weights.type)](&task, begin, end, scratch->data());
}

// Both sides of a product of blocks are rounded to bf16, by at most a 256th; with BF16 only one is;
// with F16 nothing is lost but 16 bits further down. Sums in F32 add their own.
double tolerance(DType type, const Exact& exact, int columns) {
  const double sides = type == DType::F16 ? 3.0 / 256 : type == DType::BF16 ? 1 : 2;
  const double rounding = sides / 256;
  return exact.size * (rounding + 1.2e-7 * columns) + 1e-30;
}

}  // namespace

TEST_CASE("Products in bf16 are right for all types, sizes and numbers of tokens") {
  std::mt19937 random(71);
  for (const KernelTable* table : tables_with_brains())
    for (const DType type : kAllTypes) {
      const bool expected = table->tiles != nullptr ? type != DType::F32 : type == DType::BF16;
      const bool there = table->panel_brains[static_cast<size_t>(type)] != nullptr;
      CHECK(there == expected);
      if (!there) continue;
      const int block = facts(type).block;
      for (const Sizes& s : {Sizes{70, 768, 45}, Sizes{7, 256, 1}, Sizes{33, 1280, 17}}) {
        const int rows = s.rows, columns = s.columns, tokens = s.tokens;
        const int width = block == 1 ? columns - 13 : block == 32 ? columns - 32 : columns;
        const Weights weights = random_weights(type, rows, width, random);
        const Rows x(*table, tokens, width, random);
        std::vector<float> out(static_cast<size_t>(rows * tokens), NAN);
        multiply_rows(*table, weights, x, 0, rows, 0, tokens, out.data());
        for (int t = 0; t < tokens; ++t)
          for (int r = 0; r < rows; ++r) {
            const Exact exact = dot_exactly(weights.row(r), x.row(t), width);
            const double found = out[static_cast<size_t>(t * rows + r)];
            INFO(table->name << " " << name(type) << " " << rows << " " << width << " " << t);
            REQUIRE(std::fabs(found - exact.value) <= tolerance(type, exact, width));
          }
      }
    }
}

TEST_CASE("The bits of a product in bf16 do not depend on the rows and tokens beside it") {
  std::mt19937 random(72);
  constexpr int kRows = 150, kColumns = 1056, kTokens = 75;
  for (const KernelTable* table : tables_with_brains())
    for (const DType type : {DType::Q8_0, DType::F16, DType::BF16}) {
      if (table->panel_brains[static_cast<size_t>(type)] == nullptr) continue;
      const Weights weights = random_weights(type, kRows, kColumns, random);
      const Rows x(*table, kTokens, kColumns, random);
      std::vector<float> all(kRows * kTokens, NAN), some(kRows * kTokens, NAN);
      multiply_rows(*table, weights, x, 0, kRows, 0, kTokens, all.data());
      multiply_rows(*table, weights, x, 32, 149, 9, 30, some.data());
      for (int t = 0; t < 21; ++t)
        for (int r = 0; r < kRows; ++r) {
          const float found = some[static_cast<size_t>(t * kRows + r)];
          if (r < 32 || r >= 149)
            REQUIRE(std::isnan(found));
          else
            REQUIRE(found == all[static_cast<size_t>((t + 9) * kRows + r)]);
        }
    }
}

TEST_CASE("Products of some rows of the activations, prepared in pieces, are those of all") {
  std::mt19937 random(76);
  constexpr int kTokens = 40, kColumns = 544, kRows = 70, kFirst = 11, kCount = 18;
  const Weights blocks = random_weights(DType::Q8_0, kRows, kColumns, random);
  const Weights brains = random_weights(DType::BF16, kRows, kColumns, random);
  const std::vector<float> x = random_floats(int64_t{kTokens} * kColumns, random);
  const auto pool = make_workers(2);
  const LinearScratch scratch = std::move(*LinearScratch::create(2));
  for (const KernelTable* table : tables_with_brains()) {
    const Weights& weights = table->tiles != nullptr ? blocks : brains;
    const auto prepared = AlignedBuffer::create(prepared_bytes(*table, kColumns) * kTokens);
    Activations activations;
    activations.rows = Matrix<const float>(x.data(), kTokens, kColumns);
    activations.prepared = prepared->data();
    const ActivationForm form = form_for(*table, weights.type, false, kTokens);
    REQUIRE(form == ActivationForm::Brains);
    prepare_rows(*table, *pool, form, activations, 25, kTokens);
    prepare_rows(*table, *pool, form, activations, 0, 25);
    activations.form = form;
    std::vector<float> all(kTokens * kRows, NAN), some(kCount * kRows, NAN);
    const Product whole{weights.tensor(), {all.data(), kTokens, kRows}};
    const Product part{weights.tensor(), {some.data(), kCount, kRows}, kFirst};
    linear(*table, *pool, scratch, activations, {&whole, 1}, false);
    linear(*table, *pool, scratch, activations, {&part, 1}, false, kTokens);
    CHECK(std::equal(some.begin(), some.end(), all.begin() + kFirst * kRows));
    for (int t = 0; t < kTokens; ++t)
      for (int r = 0; r < kRows; ++r) {
        const Exact exact = dot_exactly(weights.row(r), x.data() + t * kColumns, kColumns);
        REQUIRE(std::fabs(double{all[static_cast<size_t>(t * kRows + r)]} - exact.value) <=
                tolerance(weights.type, exact, kColumns));
      }
  }
}

TEST_CASE("Not a number stays one on tiles, and in its row of activations alone") {
  std::mt19937 random(73);
  for (const KernelTable* table : tables_with_tiles()) {
    const Weights weights = random_weights(DType::Q4_0, 20, 64, random);
    Rows x(*table, 3, 64, random);
    x.x[64 + 5] = NAN;
    x.round(*table, 1);
    std::vector<float> out(60, 0.0f);
    multiply_rows(*table, weights, x, 0, 20, 0, 3, out.data());
    for (int i = 0; i < 60; ++i) CHECK(std::isnan(out[static_cast<size_t>(i)]) == (i / 20 == 1));
  }
}

TEST_CASE("Attention on tiles is right, and a row's bits are those of the row alone") {
  std::mt19937 random(74);
  std::vector<Setup> setups = {
      {DType::F32, DType::F32, 64, 64, 16, 200, 70},
      {DType::BF16, DType::BF16, 128, 128, 64, 64, 4},
      {DType::F16, DType::F16, 80, 80, 16, 65, 5},
      {DType::F32, DType::F32, 5, 7, 3, 70, 9},
      {DType::F16, DType::F32, 192, 128, 16, 90, 6},
      {DType::F16, DType::F16, 64, 64, 16, 1, 1},
      {DType::F16, DType::F16, 64, 64, 16, 300, 20, 5.0f},
      {DType::F32, DType::F32, 64, 64, 16, 300, 20, 0, true},
      {DType::F16, DType::F16, 64, 64, 16, 400, 210, 0, false, 70},
      {DType::Q8_0, DType::Q4_0, 576, 512, 64, 70, 9},
  };
  for (const DType type : kCacheTypes) setups.push_back({type, type, 96, 40, 64, 131, 30});
  for (const Setup& s : setups) {
    const Problem problem(s, random);
    for (const KernelTable* table : tables_with_tiles()) {
      INFO(std::string(table->name) << " " << std::string(name(s.key_type)) << " width "
                                    << s.key_width << " positions " << s.positions);
      // Values of up to 0.25, each rounded to bf16 as is its share: by a 512th.
      problem.check(table->tiles->attention, 0.25 / 256, {1, 7});
    }
  }
}

TEST_CASE("Products of matrices in bf16 on tiles are right for any size") {
  std::mt19937 random(75);
  const auto pool = make_workers(2);
  const GemmScratch scratch = std::move(*GemmScratch::create(2));
  for (const KernelTable* table : tables_with_tiles())
    for (const auto [m, n, k] : {std::array{1, 1, 1}, std::array{13, 33, 257},
                                 std::array{97, 65, 19}, std::array{64, 70, 1041}}) {
      const std::vector<float> a = random_floats(int64_t{m} * k, random);
      const std::vector<float> b = random_floats(int64_t{n} * k, random);  // (n, k)
      std::vector<float> out(static_cast<size_t>(m * n), 0.5f);
      const Gemm product{operand(Matrix<const float>(a.data(), m, k)),
                         operand(Matrix<const float>(b.data(), n, k), true),
                         {out.data(), m, n, n},
                         true,
                         GemmPrecision::BF16};
      gemm(*table, *pool, scratch, {&product, 1});
      for (int i = 0; i < m; ++i)
        for (int j = 0; j < n; ++j) {
          const Exact exact = dot_exactly(a.data() + i * k, b.data() + j * k, k);
          const double found = out[static_cast<size_t>(i * n + j)] - 0.5;
          REQUIRE(std::fabs(found - exact.value) <= exact.size * 2 / 256 + 1e-6);
        }
    }
}

TEST_CASE("A prompt takes the family of tiles where there are some, unless exact") {
  for (const KernelTable* table : tables_with_tiles()) {
    const int least = table->brain_tokens;
    const auto family = [&](bool exact, int64_t tokens) {
      return family_for(*table, DType::Q4_K, exact, tokens);
    };
    CHECK(family(false, 1) == ProductFamily::Dot);
    CHECK(family(false, 1000) == ProductFamily::Brains);
    CHECK(family(true, 1000) == ProductFamily::Panel);
    CHECK(family(false, std::max(least, table->dot_tokens + 1)) == ProductFamily::Brains);
    const auto form = [&](DType type, bool exact) { return form_for(*table, type, exact, 1000); };
    CHECK(form(DType::Q4_K, false) == ActivationForm::Brains);
    CHECK(form(DType::F16, false) == ActivationForm::Brains);
    CHECK(form(DType::F32, false) == ActivationForm::Floats);
    CHECK(form(DType::Q4_K, true) == ActivationForm::Floats);
  }
}

TEST_CASE("Without tiles, prompts against BF16 alone are in bf16, unless exact") {
  for (const KernelTable* table : tables_with_brains()) {
    if (table->tiles != nullptr) continue;
    const auto family = [&](DType type, bool exact, int64_t tokens) {
      return family_for(*table, type, exact, tokens);
    };
    const int few = table->dot_tokens_f32;
    CHECK(family(DType::BF16, false, few) == ProductFamily::Dot);
    CHECK(family(DType::BF16, false, few + 1) == ProductFamily::Brains);
    CHECK(family(DType::BF16, true, few + 1) == ProductFamily::Panel);
    CHECK(family(DType::F16, false, 1000) == ProductFamily::Panel);
    CHECK(family(DType::Q4_K, false, 1000) == ProductFamily::Panel);
    const auto form = [&](DType type, bool exact) { return form_for(*table, type, exact, 1000); };
    CHECK(form(DType::BF16, false) == ActivationForm::Brains);
    CHECK(form(DType::BF16, true) == ActivationForm::Floats);
    CHECK(form(DType::F16, false) == ActivationForm::Floats);
    CHECK(form(DType::Q4_K, false) == ActivationForm::Q8);
  }
}
