#include <doctest/doctest.h>

#include <cstdlib>

#include "kernels/testing.h"
#include "make_workers.h"

using namespace issun;
using namespace issun::kernels;
using namespace issun::kernels::testing;

namespace {

struct Run {
  std::vector<float> a, b;
};

Run multiply(const KernelTable& table, int workers, const Weights& first, const Weights& second,
             const std::vector<float>& x, int tokens, bool exact) {
  const auto threads = make_workers(workers);
  Workers& pool = *threads;
  const LinearScratch scratch = std::move(*LinearScratch::create(workers));
  const auto prepared = AlignedBuffer::create(prepared_bytes(table, first.columns) * tokens);
  Activations activations;
  activations.rows = Matrix<const float>(x.data(), tokens, first.columns);
  activations.prepared = prepared->data();
  for (const DType type : {first.type, second.type})
    prepare(table, pool, form_for(table, type, exact, tokens), activations);
  Run run;
  run.a.resize(static_cast<size_t>(tokens * first.rows), NAN);
  run.b.resize(static_cast<size_t>(tokens * second.rows), NAN);
  const Product products[] = {{first.tensor(), {run.a.data(), tokens, first.rows}},
                              {second.tensor(), {run.b.data(), tokens, second.rows}}};
  linear(table, pool, scratch, activations, products, exact);
  return run;
}

}  // namespace

TEST_CASE("Several products in one region have the bits of one worker, and are right") {
  std::mt19937 random(31);
  for (DType second_type : {DType::Q6_K, DType::F16}) {
    const Weights first = random_weights(DType::Q4_K, 130, 512, random);
    const Weights second = random_weights(second_type, 67, 512, random);
    for (const KernelTable* table : available_kernels())
      for (int tokens : {1, 5, 30})
        for (bool exact : {false, true}) {
          const std::vector<float> x = random_floats(int64_t{tokens} * 512, random);
          const Run one = multiply(*table, 1, first, second, x, tokens, exact);
          const Run three = multiply(*table, 3, first, second, x, tokens, exact);
          CHECK(one.a == three.a);
          CHECK(one.b == three.b);
          for (int t = 0; t < tokens; ++t)
            for (int r = 0; r < first.rows; ++r) {
              const Exact e = dot_exactly(first.row(r), x.data() + t * 512, 512);
              // An activation is off by at most half a step of 1/127 of the largest, some 4
              // deviations.
              const double allowed = exact ? e.size * 1e-5 : e.size * 0.03;
              CHECK(std::fabs(double{one.a[static_cast<size_t>(t * first.rows + r)]} - e.value) <=
                    allowed);
            }
        }
  }
}

TEST_CASE("A product of some of the rows has the bits of the product of all of them") {
  std::mt19937 random(32);
  constexpr int kTokens = 30, kFirst = 11, kCount = 2;
  const std::vector<float> x = random_floats(int64_t{kTokens} * 256, random);
  const auto pool = make_workers(2);
  const LinearScratch scratch = std::move(*LinearScratch::create(2));
  for (const DType type : {DType::Q4_K, DType::BF16}) {
    const Weights weights = random_weights(type, 70, 256, random);
    for (const KernelTable* table : available_kernels())
      for (const bool exact : {false, true}) {
        const auto prepared = AlignedBuffer::create(prepared_bytes(*table, 256) * kTokens);
        Activations activations;
        activations.rows = Matrix<const float>(x.data(), kTokens, 256);
        activations.prepared = prepared->data();
        prepare(*table, *pool, form_for(*table, weights.type, exact, kTokens), activations);
        std::vector<float> all(kTokens * 70, NAN), some(kCount * 70, NAN);
        const Product whole[] = {{weights.tensor(), {all.data(), kTokens, 70}}};
        const Product part[] = {{weights.tensor(), {some.data(), kCount, 70}, kFirst}};
        linear(*table, *pool, scratch, activations, whole, exact);
        linear(*table, *pool, scratch, activations, part, exact, kTokens);
        CHECK(std::equal(some.begin(), some.end(), all.begin() + kFirst * 70));
      }
  }
}

TEST_CASE("Rows of a batch can be had with the bits that each has alone") {
  std::mt19937 random(33);
  constexpr int kTokens = 19, kRows = 70, kColumns = 256;
  const std::vector<float> x = random_floats(int64_t{kTokens} * kColumns, random);
  const auto pool = make_workers(2);
  const LinearScratch scratch = std::move(*LinearScratch::create(2));
  for (const KernelTable* table : available_kernels())
    for (const DType type : {DType::Q4_K, DType::F16, DType::BF16}) {
      const Weights weights = random_weights(type, kRows, kColumns, random);
      const auto prepared = AlignedBuffer::create(prepared_bytes(*table, kColumns) * kTokens);
      const auto multiply = [&](int first, int tokens, std::vector<float>& out) {
        Activations activations;
        activations.rows = Matrix<const float>(x.data() + first * kColumns, tokens, kColumns);
        activations.prepared = prepared->data();
        prepare(*table, *pool, form_for(*table, type, false, 1), activations);
        out.assign(static_cast<size_t>(tokens * kRows), NAN);
        const Product product{weights.tensor(), {out.data(), tokens, kRows}};
        linear(*table, *pool, scratch, activations, {&product, 1}, false, 1);
      };
      std::vector<float> all, one;
      multiply(0, kTokens, all);
      for (int t = 0; t < kTokens; ++t) {
        multiply(t, 1, one);
        CHECK(std::equal(one.begin(), one.end(), all.begin() + t * kRows));
      }
    }
}

TEST_CASE("Kernels can be chosen by name, and a wrong name is an error") {
  setenv("ISSUN_ISA", "scalar", 1);
  CHECK(std::string((*choose_kernels())->name) == "scalar");
  setenv("ISSUN_ISA", "abacus", 1);
  const auto wrong = choose_kernels();
  REQUIRE(!wrong);
  CHECK(wrong.error().message.find("expected one of scalar") != std::string::npos);
  unsetenv("ISSUN_ISA");
  CHECK(*choose_kernels() == available_kernels().back());
}

TEST_CASE("What cannot be computed says why") {
  const KernelTable& table = **choose_kernels();
  CHECK(why_not_computable(table, DType::Q4_K, 512) == nullptr);
  CHECK(why_not_computable(table, DType::Q4_K, 100) != nullptr);
  CHECK(why_not_computable(table, DType::F32, 0) != nullptr);
  CHECK(why_not_computable(table, DType::I32, 32) != nullptr);
}
