#include "import/scaled.h"

#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include "safetensors/made_up.h"
#include "tensor/codec.h"

namespace issun::import {

namespace {

// One file with a tensor `codes` and its `scales`.
struct ScaledFile {
  std::vector<std::byte> bytes;
  safetensors::SafetensorsFile file;
  Scaled scaled;
};

std::string entry(std::string_view name, std::string_view type, std::string_view shape,
                  size_t begin, size_t end) {
  return fmt::format(R"("{}": {{"dtype": "{}", "shape": [{}], "data_offsets": [{}, {}]}})", name,
                     type, shape, begin, end);
}

ScaledFile make(std::string_view type, std::string_view shape, const std::string& codes,
                std::string_view scale_type, std::string_view scale_shape,
                const std::string& scales) {
  const size_t end = codes.size() + scales.size();
  ScaledFile made;
  made.bytes = safetensors::made_up_file(
      "{" + entry("codes", type, shape, 0, codes.size()) + ", " +
          entry("scales", scale_type, scale_shape, codes.size(), end) + "}",
      codes + scales);
  auto file = safetensors::SafetensorsFile::parse(made.bytes, "made");
  REQUIRE(file);
  made.file = std::move(*file);
  made.scaled = {made.file.find("codes"), made.file.find("scales")};
  return made;
}

std::string floats(std::initializer_list<float> numbers) {
  return std::string(reinterpret_cast<const char*>(numbers.begin()),
                     numbers.size() * sizeof(float));
}

}  // namespace

TEST_CASE("8-bit floats mean what E4M3 says, times the scale of their block") {
  // 130 x 129: four blocks, of which three are partly filled.
  std::string codes(size_t{130} * 129, '\x38');  // 1
  codes[0] = '\x01';                             // the least: 2^-9
  codes[1] = '\x7e';                             // the most: 448
  codes[2] = static_cast<char>(0xb8);            // -1
  codes[3] = '\x7f';                             // NaN
  const ScaledFile made = make("F8_E4M3", "130, 129", codes, "F32", "2, 2", floats({2, 3, 5, 7}));
  CHECK(made.scaled.type() == DType::BF16);
  CHECK(made.scaled.columns() == 129);
  std::vector<float> row(129);
  made.scaled.read(0, 0, row);
  CHECK(row[0] == 2.0f / 512);
  CHECK(row[1] == 2.0f * 448);
  CHECK(row[2] == -2.0f);
  CHECK(std::isnan(row[3]));
  CHECK(row[127] == 2.0f);
  CHECK(row[128] == 3.0f);
  made.scaled.read(129, 0, row);
  CHECK(row[0] == 5.0f);
  CHECK(row[128] == 7.0f);
  float one = 0;
  made.scaled.read(127, 128, {&one, 1});
  CHECK(one == 3.0f);
}

TEST_CASE("a single scale is that of all 8-bit floats") {
  const ScaledFile made =
      make("F8_E4M3", "1, 2", "\x38\x40", "F32", "", floats({0.5f}));  // 1 and 2
  CHECK(made.scaled.type() == DType::BF16);
  float row[2];
  made.scaled.read(0, 0, row);
  CHECK(row[0] == 0.5f);
  CHECK(row[1] == 1.0f);
}

TEST_CASE("MXFP4 keeps its scales, and neighbours come apart") {
  std::string codes;
  for (int i = 0; i < 16; ++i) codes += static_cast<char>(i % 8 | (i + 8) % 16 << 4);
  const ScaledFile made = make("U8", "1, 1, 16", codes, "U8", "1, 1", "\x7f");  // 2^0
  CHECK(made.scaled.type() == DType::MXFP4);
  CHECK(made.scaled.shape() == std::vector<int64_t>{1, 32});
  std::vector<std::byte> packed(17);
  made.scaled.pack(0, packed);
  CHECK(packed[0] == std::byte{0x7f});
  std::vector<float> row(32);
  made.scaled.read(0, 0, row);
  // Codes 0 to 7 of FP4 (E2M1), the same less than zero from 8 on.
  constexpr float kValues[] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
  for (int i = 0; i < 16; ++i) {
    const int high = (i + 8) % 16;
    CAPTURE(i);
    CHECK(row[static_cast<size_t>(2 * i)] == kValues[i % 8]);
    CHECK(row[static_cast<size_t>(2 * i + 1)] == (high < 8 ? 1 : -1) * kValues[high % 8]);
  }
}

TEST_CASE("scales of another shape or kind are refused by name") {
  const auto refused = [](const ScaledFile& made) {
    const auto type = made.scaled.type();
    return !type && type.error().message.find("scales") != std::string::npos;
  };
  CHECK(refused(make("F8_E4M3", "2, 2", "1234", "F32", "1, 2", floats({1, 1}))));
  CHECK(refused(make("F8_E4M3", "2, 2", "1234", "U8", "1, 1", "1")));
  CHECK(refused(make("U8", "1, 1, 16", std::string(16, '1'), "U8", "1, 2", "12")));
  CHECK(refused(make("U8", "1, 2, 8", std::string(16, '1'), "U8", "1, 2", "12")));
  CHECK(refused(make("F8_E5M2", "2, 2", "1234", "F32", "1, 1", floats({1}))));
}

}  // namespace issun::import
