#include "cache/hadamard.h"

#include <doctest/doctest.h>

#include <cmath>
#include <random>

#include "tensor/codec.h"

using namespace issun;
using namespace issun::cache;

namespace {

std::vector<float> hadamard(int width, int limit = kWholeWidth) {
  std::vector<float> matrix(static_cast<size_t>(width) * static_cast<size_t>(width));
  fill_hadamard(width, limit, matrix);
  return matrix;
}

std::vector<float> times(const std::vector<float>& row, const std::vector<float>& matrix) {
  const size_t width = row.size();
  std::vector<float> out(width);
  for (size_t c = 0; c < width; ++c) {
    double sum = 0;
    for (size_t i = 0; i < width; ++i) sum += double{row[i]} * matrix[i * width + c];
    out[c] = static_cast<float>(sum);
  }
  return out;
}

// The relative error of rows of which one number in 32 is twenty times as large, in Q4_0.
double error_of_q4_0(int width, bool rotated, int limit = kWholeWidth) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  const std::vector<float> matrix = hadamard(width, limit);
  double wrong = 0, all = 0;
  for (int r = 0; r < 200; ++r) {
    std::vector<float> row(static_cast<size_t>(width));
    for (size_t i = 0; i < row.size(); ++i) row[i] = normal(random) * (i % 32 == 5 ? 20 : 1);
    std::vector<float> stored = rotated ? times(row, matrix) : row;
    stored.resize((row.size() + 31) / 32 * 32);
    std::vector<std::byte> bytes(
        static_cast<size_t>(row_bytes(DType::Q4_0, static_cast<int64_t>(stored.size()))));
    encode_row(DType::Q4_0, stored.data(), static_cast<int64_t>(stored.size()), bytes.data());
    decode_row(DType::Q4_0, bytes.data(), static_cast<int64_t>(stored.size()), stored.data());
    stored.resize(row.size());
    if (rotated) stored = times(stored, matrix);
    for (size_t i = 0; i < row.size(); ++i) {
      if (i % 32 == 5) continue;  // what the large numbers cost the others
      wrong += std::pow(double{stored[i]} - row[i], 2);
      all += std::pow(double{row[i]}, 2);
    }
  }
  return std::sqrt(wrong / all);
}

// How far the square of a matrix is from the identity; it has to be symmetric.
double worst_of_square(int width, int limit) {
  const std::vector<float> matrix = hadamard(width, limit);
  const auto n = static_cast<size_t>(width);
  double worst = 0;
  for (size_t r = 0; r < n; ++r) {
    for (size_t c = 0; c < n; ++c) {
      REQUIRE(matrix[r * n + c] == matrix[c * n + r]);
      double sum = r == c ? -1 : 0;
      for (size_t i = 0; i < n; ++i) sum += double{matrix[r * n + i]} * matrix[i * n + c];
      worst = std::max(worst, std::fabs(sum));
    }
  }
  return worst;
}

}  // namespace

TEST_CASE("The matrix of every width is symmetric and its own inverse") {
  for (const int width : {1,  2,  3,  5,  7,   8,   12,  20,  40,  44,  56,  60,  64,
                          72, 80, 88, 96, 100, 112, 128, 160, 192, 240, 256, 320, 576}) {
    CAPTURE(width);
    for (const int limit : {kKeySpread, kValueSpread}) CHECK(worst_of_square(width, limit) < 1e-6);
  }
}

TEST_CASE("A matrix has a name, and one block where there is a matrix of that order") {
  CHECK(hadamard_name(64) == "H64");
  CHECK(hadamard_name(96) == "H12 x H8");
  CHECK(hadamard_name(80) == "H20 x H4");
  CHECK(hadamard_name(40) == "H20 x H2");
  CHECK(hadamard_name(12) == "H12");
  CHECK(hadamard_name(112) == "H64 + H32 + H16");
  CHECK(hadamard_name(576) == "H512 + H64");
  CHECK(hadamard_name(1) == "H1");
  CHECK(hadamard_name(96, 32) == "3 H32");
  CHECK(hadamard_name(80, 32) == "2 H32 + H16");
  CHECK(hadamard_name(8, 32) == "H8");
  for (const int width : {8, 40, 64, 80, 96, 128, 192, 256}) {
    CAPTURE(width);
    for (const float x : hadamard(width)) {
      REQUIRE(std::fabs(x) * std::sqrt(static_cast<float>(width)) == doctest::Approx(1));
    }
  }
}

TEST_CASE("Rows with a few large numbers lose less in 4 bits when they are spread first") {
  for (const int width : {64, 80, 96, 112, 128}) {
    CAPTURE(width);
    CHECK(error_of_q4_0(width, true) < error_of_q4_0(width, false) / 2);
    CHECK(error_of_q4_0(width, true, kValueSpread) < error_of_q4_0(width, false) / 2);
  }
}
