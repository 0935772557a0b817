#include "gguf/verify.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "gguf/content_hash.h"
#include "gguf/soundness.h"
#include "gguf/value.h"
#include "gguf/writer.h"
#include "scratch_folder.h"
#include "shared_data.h"
#include "tensor/codec.h"
#include "tensor/half.h"

using namespace issun;
using namespace issun::gguf;

namespace {

uint64_t hash_of(std::string_view text) { return content_hash(std::as_bytes(std::span(text))); }

// One tensor of these bytes, verified.
Verification verify_tensor(DType type, const std::vector<int64_t>& size,
                           const std::vector<std::byte>& bytes) {
  const ScratchFolder folder;
  const std::string path = folder.path("one.gguf");
  auto writer = GgufWriter::create(path);
  REQUIRE(writer.has_value());
  REQUIRE(writer->add_tensor("weights", type, size).has_value());
  REQUIRE(writer->append(bytes).has_value());
  REQUIRE(writer->finish().has_value());
  const Result<Verification> result = verify(path);
  REQUIRE(result.has_value());
  return *result;
}

}  // namespace

TEST_CASE("the content hash is XXH64 with seed 0") {
  CHECK(hash_of("") == 0xef46db3751d8e999);
  CHECK(hash_of("a") == 0xd24ec4f1a98c6e5b);
  CHECK(hash_of("abc") == 0x44bc2cf5ad770999);
  CHECK(hash_of("Nobody inspects the spammish repetition") == 0xfbcea83c8a378bf1);
}

TEST_CASE("the content hash changes with every byte and with the length") {
  const std::string text(200, 'x');
  for (size_t i = 0; i < text.size(); ++i) {
    std::string other = text;
    other[i] = 'y';
    CHECK(hash_of(other) != hash_of(text));
    CHECK(hash_of(text.substr(0, i)) != hash_of(text));
  }
}

TEST_CASE("every model of the conformance data is sound") {
  if (!have_shared("conformance/arch")) return;
  for (const std::string& name : shared_names("conformance/arch", ".gguf")) {
    const Result<Verification> result = verify(shared_path("conformance/arch/" + name + ".gguf"));
    REQUIRE(result.has_value());
    CHECK(result->values > 1000);
    CHECK(result->parts.size() == 1);
    for (const std::string& finding : result->findings) FAIL_CHECK(name << ": " << finding);
  }
  const auto split = verify(shared_path("conformance/container/split-00001-of-00003.gguf"));
  REQUIRE(split.has_value());
  CHECK(split->parts.size() == 3);
  CHECK(split->findings.empty());
}

TEST_CASE("a value that is not finite is found, with its place") {
  const float bad[] = {NAN, INFINITY, -INFINITY};
  for (const float value : bad) {
    std::vector<float> values(12, 1.0f);
    values[7] = value;
    const auto* bytes = reinterpret_cast<const std::byte*>(values.data());
    const Verification result = verify_tensor(DType::F32, {4, 3}, {bytes, bytes + 48});
    REQUIRE(result.findings.size() == 1);
    CHECK(result.findings[0] ==
          "weights: expected finite numbers, found NaN or infinity in 1 of 12 values, first in row "
          "1 at column 3");
  }
  std::vector<std::byte> halves(8, std::byte{0});
  const uint16_t infinity = f32_to_f16(INFINITY), nan = f32_to_bf16(NAN);
  std::memcpy(halves.data() + 4, &infinity, 2);
  CHECK(verify_tensor(DType::F16, {4}, halves).findings.size() == 1);
  CHECK(verify_tensor(DType::BF16, {4}, halves).findings.empty());
  std::memcpy(halves.data() + 4, &nan, 2);
  CHECK(verify_tensor(DType::BF16, {4}, halves).findings.size() == 1);
}

TEST_CASE("a block scale that is not finite is found in every block format") {
  struct Format {
    DType type;
    std::vector<int> scales;  // where its binary16 scales stand
  };
  const std::vector<Format> formats = {
      {DType::Q4_0, {0}},    {DType::Q4_1, {0, 2}},   {DType::Q5_0, {0}},    {DType::Q5_1, {0, 2}},
      {DType::Q8_0, {0}},    {DType::Q2_K, {80, 82}}, {DType::Q3_K, {108}},  {DType::Q4_K, {0, 2}},
      {DType::Q5_K, {0, 2}}, {DType::Q6_K, {208}},    {DType::IQ4_NL, {0}},  {DType::IQ4_XS, {0}},
      {DType::IQ3_XXS, {0}}, {DType::IQ3_S, {0}},     {DType::IQ2_XXS, {0}}, {DType::IQ2_XS, {0}},
      {DType::IQ2_S, {0}},   {DType::IQ1_S, {0}},     {DType::TQ1_0, {52}},  {DType::TQ2_0, {64}},
      {DType::Q1_0, {0}},    {DType::Q2_0, {0}},
  };
  for (const Format& one : formats) {
    const DType type = one.type;
    CAPTURE(std::string(name(type)));
    const DTypeFacts& format = facts(type);
    std::vector<std::byte> blocks(static_cast<size_t>(format.bytes) * 3);
    const Tensor tensor{
        .name = "t", .type = type, .size = {format.block * 3, 1, 1, 1}, .data = blocks.data()};
    CHECK(check_numbers(tensor).bad_blocks == 0);
    for (const int at : one.scales) {
      const uint16_t infinity = 0x7c00, zero = 0;
      std::byte* scale = blocks.data() + format.bytes + at;
      std::memcpy(scale, &infinity, 2);
      const Soundness found = check_numbers(tensor);
      CHECK(found.bad_blocks == 1);
      CHECK(found.first_column == format.block);
      if (format.computable) {  // infinity times a code of zero: the codec agrees that this is the
                                // scale
        std::vector<float> decoded(static_cast<size_t>(format.block));
        decode_row(type, blocks.data() + format.bytes, format.block, decoded.data());
        CHECK(
            !std::all_of(decoded.begin(), decoded.end(), [](float x) { return std::isfinite(x); }));
      }
      std::memcpy(scale, &zero, 2);
    }
  }
}

TEST_CASE("the scales of MXFP4 and IQ1_M are checked as well") {
  std::vector<std::byte> block(56);
  const Tensor mxfp4{
      .name = "t", .type = DType::MXFP4, .size = {32, 1, 1, 1}, .data = block.data()};
  CHECK(check_numbers(mxfp4).bad_blocks == 0);
  block[0] = std::byte{255};
  CHECK(check_numbers(mxfp4).bad_blocks == 1);
  block.assign(56, std::byte{0});
  const Tensor iq1_m{
      .name = "t", .type = DType::IQ1_M, .size = {256, 1, 1, 1}, .data = block.data()};
  CHECK(check_numbers(iq1_m).bad_blocks == 0);
  block[55] = std::byte{0x70};  // d = 0x7...
  CHECK(check_numbers(iq1_m).bad_blocks == 0);
  block[53] = std::byte{0xc0};  // d = 0x7c..: an infinity
  CHECK(check_numbers(iq1_m).bad_blocks == 1);
}

TEST_CASE("padding that is not zero, trailing bytes and odd names are found") {
  const ScratchFolder folder;
  const std::string path = folder.path("odd.gguf");
  auto writer = GgufWriter::create(path);
  REQUIRE(writer.has_value());
  REQUIRE(writer->set("odd key", make_f32(NAN)).has_value());
  const std::vector<int64_t> size = {1};
  REQUIRE(writer->add_tensor("first", DType::F32, size).has_value());
  REQUIRE(writer->add_tensor("second\n", DType::F32, size).has_value());
  REQUIRE(writer->append(std::vector<std::byte>(4)).has_value());
  REQUIRE(writer->append(std::vector<std::byte>(4)).has_value());
  REQUIRE(writer->finish().has_value());
  {
    File file = *File::open_for_updating(path);
    const int64_t end = *file.size();
    REQUIRE(file.write_at(end - 50, std::as_bytes(std::span(std::string_view("hidden")))));
    REQUIRE(file.write_at(end, std::as_bytes(std::span(std::string_view("more")))));
  }
  const Result<Verification> result = verify(path);
  REQUIRE_MESSAGE(result.has_value(), result.error().message);
  const std::vector<std::string> expected = {
      "odd key: expected a key of printable ASCII",
      "odd key: expected finite numbers, found 1 of 1 that are not",
      "second\\x0a: expected a name of printable ASCII",
      "first: expected zeros for padding after it, found 6 other bytes",
      "second\\x0a: expected zeros for padding after it, found 4 other bytes",
  };
  CHECK(result->findings == expected);
}
