// Truth: the golden blocks of the conformance data, which the most used engine wrote and decoded.
#include "tensor/codec.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "shared_data.h"
#include "tensor/blocks.h"

using namespace issun;

namespace {

constexpr DType kFormats[] = {
    DType::F16,    DType::BF16,   DType::Q8_0,    DType::Q4_0,  DType::Q4_1,    DType::Q5_0,
    DType::Q5_1,   DType::Q1_0,   DType::Q2_0,    DType::TQ1_0, DType::TQ2_0,   DType::MXFP4,
    DType::NVFP4,  DType::Q2_K,   DType::Q3_K,    DType::Q4_K,  DType::Q5_K,    DType::Q6_K,
    DType::IQ4_NL, DType::IQ4_XS, DType::IQ3_XXS, DType::IQ3_S, DType::IQ2_XXS, DType::IQ2_XS,
    DType::IQ2_S,  DType::IQ1_S,  DType::IQ1_M};
// Those with an encoder.
constexpr DType kEncoded[] = {DType::F16,  DType::BF16, DType::Q8_0, DType::Q4_0,
                              DType::Q4_1, DType::Q5_0, DType::Q5_1, DType::IQ4_NL,
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
    CAPTURE(std::string(name(type)));
    if (type == DType::Q5_1 || type == DType::IQ3_XXS || type == DType::IQ1_M)
      continue;  // the next test
    CHECK(differing_values(type, std::string("conformance/quant/") + name(type)) == 0);
    if (type == DType::F16 || type == DType::BF16) continue;  // no file of arbitrary bits
    CHECK(differing_values(type, std::string("conformance/quant/") + name(type) + ".bits") == 0);
  }
}

TEST_CASE(
    "decoded blocks of the formats without golden arrays have the hash of the golden values") {
  // FNV-1a over the floats that the most used engine makes of 64 blocks of bytes from a generator.
  struct Golden {
    DType type;
    std::vector<size_t>
        exponents;  // bytes with that of a scale: made small, so that none is infinite
    uint64_t hash;
  };
  const Golden all[] = {{DType::Q5_1, {1, 3}, 0x5e522df25dad052b},
                        {DType::IQ1_M, {55}, 0x89c288767d13f139},
                        {DType::IQ3_XXS, {1}, 0x20af4ab542817eb8}};
  for (const Golden& golden : all) {
    CAPTURE(std::string(name(golden.type)));
    const auto bytes = static_cast<size_t>(facts(golden.type).bytes);
    std::vector<std::byte> blocks(64 * bytes);
    uint64_t state = 1;
    for (std::byte& byte : blocks) {
      state = state * 6364136223846793005 + 1442695040888963407;
      byte = static_cast<std::byte>(state >> 56);
    }
    for (size_t b = 0; b < 64; ++b) {
      for (const size_t at : golden.exponents) blocks[b * bytes + at] &= std::byte{0xbf};
    }
    std::vector<float> decoded(static_cast<size_t>(64 * facts(golden.type).block));
    decode_row(golden.type, blocks.data(), 64 * facts(golden.type).block, decoded.data());
    uint64_t hash = 0xcbf29ce484222325;
    for (const std::byte byte : std::as_bytes(std::span(decoded))) {
      hash = (hash ^ static_cast<uint64_t>(byte)) * 0x100000001b3;
    }
    CHECK(hash == golden.hash);
  }
}

TEST_CASE("encoded rows have the bytes of the golden files") {
  if (!have_shared("conformance/quant")) return;
  const std::vector<float> source = as_floats(read_shared("conformance/quant/source_8x512.f32"));
  REQUIRE(source.size() == 8 * 512);
  for (const DType type : kEncoded) {
    CAPTURE(std::string(name(type)));
    // There is none of the one, and that of the other comes from a search.
    if (type == DType::Q5_1 || type == DType::IQ4_NL) continue;
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

TEST_CASE("decoding and encoding again gives the same values: codes are fixed points") {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> values(512), decoded(512), again(512);
  for (const DType type :
       {DType::F32, DType::F16, DType::BF16, DType::Q8_0, DType::Q4_0, DType::Q5_0}) {
    CAPTURE(std::string(name(type)));
    for (float& value : values) value = normal(random);
    std::vector<std::byte> row(static_cast<size_t>(row_bytes(type, 512)));
    encode_row(type, values.data(), 512, row.data());
    decode_row(type, row.data(), 512, decoded.data());
    encode_row(type, decoded.data(), 512, row.data());
    decode_row(type, row.data(), 512, again.data());
    CHECK(decoded == again);
  }
}

TEST_CASE("the error of a format is what its bits allow") {
  // Relative RMSE of normal values: half a step, uniformly distributed, is step / sqrt(12); the
  // measured values of the reference quantisers on such data, rounded up.
  const std::pair<DType, double> limits[] = {
      {DType::F16, 3e-4},  {DType::BF16, 2.5e-3}, {DType::Q8_0, 0.007}, {DType::Q6_K, 0.02},
      {DType::Q5_K, 0.04}, {DType::Q4_K, 0.08},   {DType::Q4_0, 0.1},   {DType::Q4_1, 0.09},
      {DType::Q5_0, 0.05}, {DType::Q5_1, 0.045},  {DType::IQ4_NL, 0.1}};
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  std::vector<float> values(8192), decoded(8192);
  for (float& value : values) value = normal(random);
  for (const auto& [type, limit] : limits) {
    std::vector<std::byte> row(static_cast<size_t>(row_bytes(type, 8192)));
    encode_row(type, values.data(), 8192, row.data());
    decode_row(type, row.data(), 8192, decoded.data());
    double error = 0, power = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      error += std::pow(values[i] - decoded[i], 2);
      power += std::pow(values[i], 2);
    }
    CHECK(std::sqrt(error / power) < limit);
    CHECK(std::sqrt(error / power) > limit / 4);  // and no better: the format is the one it says
  }
}

TEST_CASE("any input is encoded safely, and zeros come back as zeros") {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const float odd[] = {0.0f,      -0.0f,      1e-45f,
                       1e-30f,    1e30f,      -1e38f,
                       kInfinity, -kInfinity, std::numeric_limits<float>::quiet_NaN()};
  std::mt19937 random(9);
  std::vector<float> values(256), decoded(256);
  for (const DType type : kEncoded) {
    CAPTURE(std::string(name(type)));
    std::vector<std::byte> row(static_cast<size_t>(row_bytes(type, 256)));
    std::fill(values.begin(), values.end(), 0.0f);
    encode_row(type, values.data(), 256, row.data());
    decode_row(type, row.data(), 256, decoded.data());
    CHECK(decoded == values);
    for (int round = 0; round < 50; ++round) {
      for (float& value : values) value = odd[random() % std::size(odd)];
      encode_row(type, values.data(), 256, row.data());  // the sanitizers are the check
      decode_row(type, row.data(), 256, decoded.data());
    }
  }
}

TEST_CASE("the packing of scales and mins is its own inverse, for every 6-bit number") {
  for (int number = 0; number < 64; ++number) {
    uint8_t scales[8], mins[8], packed[12], scales_back[8], mins_back[8];
    for (int g = 0; g < 8; ++g) {
      scales[g] = static_cast<uint8_t>((number + 9 * g) % 64);
      mins[g] = static_cast<uint8_t>((number * 5 + g) % 64);
    }
    pack_scales_k4(scales, mins, packed);
    unpack_scales_k4(packed, scales_back, mins_back);
    CHECK(std::equal(scales, scales + 8, scales_back));
    CHECK(std::equal(mins, mins + 8, mins_back));
  }
}
