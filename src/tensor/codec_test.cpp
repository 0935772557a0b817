// Truth: the golden blocks of the conformance data, which the most used engine wrote and decoded.
#include "tensor/codec.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "shared_data.h"

using namespace issun;

namespace {

constexpr DType kFormats[] = {DType::F16,  DType::BF16, DType::Q8_0, DType::Q4_0,
                              DType::Q4_K, DType::Q5_K, DType::Q6_K};

std::vector<float> as_floats(const std::vector<std::byte>& bytes) {
  std::vector<float> values(bytes.size() / 4);
  std::memcpy(values.data(), bytes.data(), values.size() * 4);
  return values;
}

// Decodes all of NAME.bin and compares with NAME.f32 bit by bit; NaN equals NaN.
int differing_values(DType type, const std::string& path) {
  const std::vector<std::byte> blocks = read_shared(path + ".bin");
  const std::vector<float> golden = as_floats(read_shared(path + ".f32"));
  const auto columns = static_cast<int64_t>(golden.size());
  REQUIRE(row_bytes(type, columns) == static_cast<int64_t>(blocks.size()));
  std::vector<float> decoded(golden.size());
  decode_row(type, blocks.data(), columns, decoded.data());
  int differing = 0;
  for (size_t i = 0; i < golden.size(); ++i) {
    const bool same = std::memcmp(&decoded[i], &golden[i], 4) == 0 ||
                      (decoded[i] != decoded[i] && golden[i] != golden[i]);
    differing += same ? 0 : 1;
  }
  return differing;
}

}  // namespace

TEST_CASE("decoded blocks have the bits of the golden arrays") {
  if (!have_shared("conformance/quant")) return;
  for (const DType type : kFormats) {
    CAPTURE(name(type));
    CHECK(differing_values(type, std::string("conformance/quant/") + name(type)) == 0);
    if (type == DType::F16 || type == DType::BF16) continue;  // no file of arbitrary bits
    CHECK(differing_values(type, std::string("conformance/quant/") + name(type) + ".bits") == 0);
  }
}

TEST_CASE("encoded rows have the bytes of the golden files") {
  if (!have_shared("conformance/quant")) return;
  const std::vector<float> source = as_floats(read_shared("conformance/quant/source_8x512.f32"));
  REQUIRE(source.size() == 8 * 512);
  for (const DType type : kFormats) {
    CAPTURE(name(type));
    const std::vector<std::byte> golden =
        read_shared(std::string("conformance/quant/") + name(type) + ".bin");
    const int64_t bytes = row_bytes(type, 512);
    REQUIRE(golden.size() == static_cast<size_t>(8 * bytes));
    std::vector<std::byte> encoded(golden.size());
    for (int64_t r = 0; r < 8; ++r) {
      encode_row(type, source.data() + r * 512, 512, encoded.data() + r * bytes);
    }
    int differing = 0;
    for (size_t i = 0; i < golden.size(); ++i) differing += encoded[i] != golden[i] ? 1 : 0;
    CHECK(differing == 0);
  }
}
