// Truth: the codec, which decodes what was encoded; the losses that the most used quantiser was
// measured to have; and encoders that are byte-equal to its own.
#include "quantize/encode.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>

#include "quantize/gain.h"
#include "shared_data.h"
#include "tensor/codec.h"

using namespace issun;
using namespace issun::quantize;

namespace {

constexpr DType kEncodedFormats[] = {
    DType::Q8_0,    DType::Q4_0,   DType::Q4_1,   DType::Q5_0,    DType::Q5_1,
    DType::Q1_0,    DType::Q2_0,   DType::TQ1_0,  DType::TQ2_0,   DType::MXFP4,
    DType::NVFP4,   DType::Q2_K,   DType::Q3_K,   DType::Q4_K,    DType::Q5_K,
    DType::Q6_K,    DType::IQ4_NL, DType::IQ4_XS, DType::IQ3_XXS, DType::IQ3_S,
    DType::IQ2_XXS, DType::IQ2_XS, DType::IQ2_S,  DType::IQ1_S,   DType::IQ1_M};

struct Rows {
  std::vector<float> values;
  int64_t columns;
  int64_t count() const { return static_cast<int64_t>(values.size()) / columns; }
  const float* row(int64_t r) const { return values.data() + r * columns; }
};

std::vector<float> shared_floats(const std::string& path) {
  const std::vector<std::byte> bytes = read_shared(path);
  std::vector<float> values(bytes.size() / 4);
  std::memcpy(values.data(), bytes.data(), values.size() * 4);
  return values;
}

Rows random_rows(int64_t count, int64_t columns, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 0.02f);
  Rows rows = {std::vector<float>(static_cast<size_t>(count * columns)), columns};
  for (float& x : rows.values) x = normal(random);
  return rows;
}

class Subject {
 public:
  explicit Subject(const kernels::SearchTable& searches = **kernels::choose_searches())
      : encoder_(searches), scratch_(std::make_unique<EncodeScratch>()) {}

  std::vector<std::byte> bytes(DType type, const Rows& rows, const float* importance = nullptr) {
    const int64_t one = row_bytes(type, rows.columns);
    std::vector<std::byte> out(static_cast<size_t>(rows.count() * one));
    for (int64_t r = 0; r < rows.count(); ++r)
      encoder_.encode_row(type, rows.row(r), rows.columns, importance, scratch_.get(),
                          out.data() + r * one);
    return out;
  }

 private:
  Encoder encoder_;
  std::unique_ptr<EncodeScratch> scratch_;
};

std::vector<float> decoded(DType type, const std::vector<std::byte>& bytes, int64_t columns) {
  const int64_t one = row_bytes(type, columns);
  std::vector<float> out(bytes.size() / static_cast<size_t>(one) * static_cast<size_t>(columns));
  for (size_t r = 0; r * static_cast<size_t>(one) < bytes.size(); ++r)
    decode_row(type, bytes.data() + r * static_cast<size_t>(one), columns,
               out.data() + r * static_cast<size_t>(columns));
  return out;
}

// Root of the mean square of the differences, each counted by its column's weight.
double loss(const Rows& rows, const std::vector<float>& again, const float* weights) {
  double errors = 0, sum = 0;
  for (size_t i = 0; i < again.size(); ++i) {
    const double off = static_cast<double>(rows.values[i]) - static_cast<double>(again[i]);
    const double w = weights != nullptr
                         ? static_cast<double>(weights[i % static_cast<size_t>(rows.columns)])
                         : 1;
    errors += w * off * off;
    sum += w;
  }
  return std::sqrt(errors / sum);
}

}  // namespace

TEST_CASE("no format loses more than the most used quantiser was measured to lose") {
  if (!have_shared("conformance/quant/quality.json")) return;
  const std::vector<std::byte> text = read_shared("conformance/quant/quality.json");
  const auto quality = nlohmann::json::parse(
      std::string_view(reinterpret_cast<const char*>(text.data()), text.size()));
  const std::vector<float> importance = shared_floats("conformance/quant/imatrix_1024.f32");
  Subject subject;
  int compared = 0;
  for (const std::string distribution : {"gaussian", "laplace", "heavy"}) {
    const Rows rows = {shared_floats("conformance/quant/quality_" + distribution + "_8x1024.f32"),
                       1024};
    for (const DType type : kEncodedFormats) {
      const auto& results = quality["stored_results"][distribution];
      if (!results.contains(name(type))) continue;
      CAPTURE(distribution);
      CAPTURE(std::string(name(type)));
      const auto& golden = results[name(type)];
      const auto plain = decoded(type, subject.bytes(type, rows), rows.columns);
      CHECK(loss(rows, plain, nullptr) <= golden["plain"]["rmse"].get<double>() * 1.000005);
      const auto weighted =
          decoded(type, subject.bytes(type, rows, importance.data()), rows.columns);
      CHECK(loss(rows, weighted, importance.data()) <=
            golden["imatrix"]["weighted_rmse"].get<double>() * 1.000005);
      ++compared;
    }
  }
  CHECK(compared == 3 * 22);
}

TEST_CASE("encoders lose less than those that write what others write") {
  const Rows rows = random_rows(8, 1024, 1);
  Subject subject;
  for (const DType type : {DType::Q4_0, DType::Q8_0, DType::Q4_K, DType::Q5_K, DType::Q6_K}) {
    CAPTURE(std::string(name(type)));
    std::vector<std::byte> others(static_cast<size_t>(8 * row_bytes(type, 1024)));
    for (int64_t r = 0; r < 8; ++r)
      issun::encode_row(type, rows.row(r), 1024, others.data() + r * row_bytes(type, 1024));
    const double theirs = loss(rows, decoded(type, others, 1024), nullptr);
    CHECK(loss(rows, decoded(type, subject.bytes(type, rows), 1024), nullptr) < theirs);
  }
}

TEST_CASE("importance moves the loss to the columns that matter less") {
  const Rows rows = random_rows(4, 512, 2);
  std::vector<float> importance(512);
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  for (float& w : importance) w = std::exp(normal(random));
  Subject subject;
  for (const DType type : kEncodedFormats) {
    if (type == DType::Q1_0) continue;  // one number for all: there is next to nothing to move
    CAPTURE(std::string(name(type)));
    const auto plain = decoded(type, subject.bytes(type, rows), 512);
    const auto weighted = decoded(type, subject.bytes(type, rows, importance.data()), 512);
    CHECK(loss(rows, weighted, importance.data()) < loss(rows, plain, importance.data()));
  }
}

TEST_CASE("rows of coarse codes are as large as what they stand for, but for a quarter of it") {
  const Rows rows = random_rows(4, 1024, 11);
  std::vector<float> importance(1024);
  std::mt19937 random(12);
  std::normal_distribution<float> normal;
  for (float& w : importance) w = std::exp(normal(random));
  Subject subject;
  for (const DType type : kEncodedFormats) {
    if (!shrinks(type)) continue;
    CAPTURE(std::string(name(type)));
    const auto again = decoded(type, subject.bytes(type, rows, importance.data()), 1024);
    for (size_t r = 0; r < 4; ++r) {
      double squares = 0, products = 0, errors = 0;
      for (size_t c = 0; c < 1024; ++c) {
        const double x = rows.values[r * 1024 + c], y = again[r * 1024 + c], w = importance[c];
        squares += w * x * x;
        products += w * x * y;
        errors += w * (x - y) * (x - y);
      }
      // Of codes of the least error the products would be below by the errors' share.
      const double below = 1 - products / squares, share = errors / squares;
      CHECK(below > 0);
      CHECK(below < (share < 0.13 ? 0.4 : 0.7) * share);
    }
  }
}

TEST_CASE("what a format can hold comes back") {
  // Three values and their scale.
  Rows three = {std::vector<float>(512), 512};
  std::mt19937 random(4);
  for (float& x : three.values)
    x = 0.0375f * static_cast<float>(static_cast<int>(random() % 3) - 1);
  Subject subject;
  for (const DType type : {DType::TQ1_0, DType::TQ2_0, DType::Q2_0, DType::Q4_0, DType::Q5_1,
                           DType::Q2_K, DType::Q4_K, DType::Q6_K, DType::MXFP4}) {
    CAPTURE(std::string(name(type)));
    const auto again = decoded(type, subject.bytes(type, three), 512);
    // A binary16 scale is off by 2^-11, more where it is tiny; that of MXFP4 is a power of two.
    CHECK(loss(three, again, nullptr) <= (type == DType::MXFP4 ? 6e-3 : 1e-4));
  }
  // Rows that were of a format before lose next to nothing when written in it again.
  const Rows rows = random_rows(4, 512, 5);
  for (const DType type : {DType::Q8_0, DType::Q4_1, DType::Q3_K, DType::Q4_K, DType::Q5_K,
                           DType::Q6_K, DType::IQ4_NL, DType::IQ4_XS, DType::IQ3_S, DType::IQ2_S}) {
    CAPTURE(std::string(name(type)));
    const Rows once = {decoded(type, subject.bytes(type, rows), 512), 512};
    const auto twice = decoded(type, subject.bytes(type, once), 512);
    CHECK(loss(once, twice, nullptr) < 0.2 * loss(rows, once.values, nullptr));
  }
}

TEST_CASE("the bits do not depend on the instruction set, nor on the rows before") {
  const Rows rows = random_rows(2, 512, 6);
  const Rows second = {std::vector<float>(rows.row(1), rows.row(1) + 512), 512};
  const std::vector<float> importance(random_rows(1, 512, 8).values);
  std::vector<float> positive;
  for (const float w : importance) positive.push_back(std::fabs(w));
  Subject plain(*kernels::available_searches().front());
  for (const kernels::SearchTable* searches : kernels::available_searches()) {
    CAPTURE(std::string(searches->name));
    Subject subject(*searches);
    for (const DType type : kEncodedFormats) {
      CAPTURE(std::string(name(type)));
      const auto bytes = subject.bytes(type, rows, positive.data());
      CHECK(bytes == plain.bytes(type, rows, positive.data()));
      const auto alone = subject.bytes(type, second, positive.data());
      CHECK(std::memcmp(bytes.data() + alone.size(), alone.data(), alone.size()) == 0);
    }
  }
}

TEST_CASE("any input is safe") {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const float kinds[] = {
      0,     -0.0f,  1e-40f,    1e-12f,     65504,
      3e38f, -3e38f, kInfinity, -kInfinity, std::numeric_limits<float>::quiet_NaN()};
  Subject subject;
  for (const DType type : kEncodedFormats) {
    CAPTURE(std::string(name(type)));
    for (const float kind : kinds) {
      const Rows same = {std::vector<float>(256, kind), 256};
      const auto again = decoded(type, subject.bytes(type, same), 256);
      if (kind == 0) CHECK(loss(same, again, nullptr) == 0);
      Rows one = random_rows(1, 256, 9);
      one.values[77] = kind;
      decoded(type, subject.bytes(type, one), 256);
      const std::vector<float> importance(256, std::fabs(kind));
      decoded(type, subject.bytes(type, one, importance.data()), 256);
    }
    // Columns that never met anything.
    const Rows rows = random_rows(1, 256, 10);
    const std::vector<float> nothing(256, 0.0f);
    const auto again = decoded(type, subject.bytes(type, rows, nothing.data()), 256);
    CHECK(loss(rows, again, nullptr) < 0.02);
  }
}
