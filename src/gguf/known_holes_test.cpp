// Every published hole of another GGUF reader, as the file that opened it: each is refused here.
#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

#include "contains.h"
#include "gguf/file_bytes.h"
#include "gguf/touch.h"
#include "scratch_folder.h"

using namespace issun;
using namespace issun::gguf;

namespace {

std::string refusal(const FileBytes& file) {
  const ParsedBytes parsed(file.bytes());
  REQUIRE(!parsed->has_value());
  return parsed.message();
}

FileBytes key_with_array(ValueType element, uint64_t length) {
  return FileBytes::start(0, 1).key("key", ValueType::Array).array(element, length);
}

}  // namespace

TEST_CASE("CVE-2024-21836: a number of tensors whose table would wrap the address space") {
  for (const uint64_t count : {kMinusOne, kMinusOne / 64 + 2, uint64_t{1} << 32}) {
    CHECK(contains(refusal(FileBytes::start(count, 0).data(4096)), "expected at most"));
  }
}

TEST_CASE("CVE-2024-23605: a number of keys whose table would wrap the address space") {
  for (const uint64_t count : {kMinusOne, kMinusOne / 48 + 2, uint64_t{1} << 32}) {
    CHECK(contains(refusal(FileBytes::start(0, count).data(4096)), "expected at most"));
  }
}

TEST_CASE("CVE-2024-23496: a string length whose successor is zero") {
  const auto file = FileBytes::start(0, 1).key("key", ValueType::String).number(kMinusOne).data(64);
  CHECK(contains(refusal(file), "key: expected more bytes"));
  CHECK(contains(refusal(FileBytes::start(0, 1).number(kMinusOne).data(64)), "key 0 of 1"));
  CHECK(contains(refusal(FileBytes::start(1, 0).number(kMinusOne).data(64)), "tensor 0 of 1"));
}

TEST_CASE("CVE-2024-21825: array lengths whose product with the element size wraps") {
  for (const ValueType element :
       {ValueType::U8, ValueType::U16, ValueType::F32, ValueType::F64, ValueType::String}) {
    for (const uint64_t length :
         {kMinusOne, (uint64_t{1} << 63) + 1, (uint64_t{1} << 61) + 1, (uint64_t{1} << 62) + 1}) {
      CHECK(contains(refusal(key_with_array(element, length).data(64)),
                     "expected an array that fits the 64 bytes left"));
    }
  }
}

TEST_CASE("CVE-2024-21802: more dimensions than a tensor has") {
  for (const uint32_t dimensions : {5u, 255u, 0xffffffffu}) {
    const auto file = FileBytes::start(1, 0).string("weights").number(dimensions).data(4096);
    CHECK(contains(refusal(file), "expected at most 4 dimensions"));
  }
}

TEST_CASE("CVE-2025-49847: a token whose length is negative as a signed number") {
  for (const uint64_t length :
       {uint64_t{0x80000000}, uint64_t{0xffffffff}, uint64_t{1} << 63, kMinusOne}) {
    auto file = FileBytes::start(0, 1).key("tokenizer.ggml.tokens", ValueType::Array);
    file.array(ValueType::String, 2).string("a").number(length).data(64);
    CHECK(contains(refusal(file),
                   "tokenizer.ggml.tokens: expected 2 strings, found string 1 to reach beyond"));
  }
}

TEST_CASE("CVE-2025-53630: tensor sizes that each fit and whose sum wraps") {
  auto file = FileBytes::start(3, 0);
  const int64_t half = std::numeric_limits<int64_t>::max() - 31;
  file.tensor("a", {half}, DType::I8, 0)
      .tensor("b", {half}, DType::I8, static_cast<uint64_t>(half));
  file.tensor("c", {96}, DType::I8, static_cast<uint64_t>(half) * 2).pad().data(64);
  CHECK(contains(refusal(file), "a: expected a tensor inside the file"));
}

TEST_CASE("CVE-2026-27940: tensor sizes whose padded sum wraps although no product does") {
  auto file = FileBytes::start(2, 1).alignment(1 << 20);
  const int64_t nearly = std::numeric_limits<int64_t>::max();
  file.tensor("a", {nearly}, DType::I8, 0)
      .tensor("b", {64}, DType::I8, uint64_t{1} << 63)
      .pad()
      .data(64);
  CHECK(contains(refusal(file), "a: expected a tensor inside the file"));
}

TEST_CASE("CVE-2026-33298: a tensor of exabytes whose byte count wraps to megabytes") {
  for (const DType type : {DType::F32, DType::F16, DType::Q4_K, DType::I64}) {
    const int64_t wide = (int64_t{1} << 42) + 256;
    const auto file = FileBytes::start(1, 0)
                          .tensor("weights", {wide, int64_t{1} << 21}, type, 0)
                          .pad()
                          .data(4096);
    CHECK(contains(refusal(file), "weights: expected"));
  }
  const auto odd =
      FileBytes::start(1, 0).tensor("weights", {(int64_t{1} << 42) + 1, 1 << 22}, DType::F32, 0);
  CHECK(contains(refusal(odd), "weights: expected fewer than 2^63 values and bytes"));
}

TEST_CASE("CVE-2026-7482: offsets and shapes that reach beyond the file") {
  const auto shape =
      FileBytes::start(1, 0).tensor("weights", {1 << 20}, DType::F32, 0).pad().data(64);
  CHECK(
      contains(refusal(shape), "weights: expected a tensor inside the file, found 4194304 bytes"));
  const auto offset =
      FileBytes::start(1, 0).tensor("weights", {16}, DType::F32, 1 << 20).pad().data(64);
  CHECK(contains(refusal(offset), "weights: expected offset 0"));
}

TEST_CASE("ollama 17042, ggml 1516: a file of a few bytes that asks for gigabytes") {
  const uint64_t gibibyte = uint64_t{1} << 30;
  CHECK(contains(refusal(key_with_array(ValueType::U8, gibibyte).data(90)),
                 "fits the 90 bytes left"));
  CHECK(contains(refusal(key_with_array(ValueType::String, gibibyte).data(90)),
                 "fits the 90 bytes left"));
  const auto text = FileBytes::start(0, 1).key("key", ValueType::String).number(gibibyte).data(90);
  CHECK(contains(refusal(text), "key: expected more bytes"));
}

TEST_CASE("ggml 1516: an alignment that makes gigabytes of padding") {
  for (const uint32_t alignment : {1u << 21, 1u << 30, 1u << 31}) {
    CHECK(contains(refusal(FileBytes::start(0, 1).alignment(alignment)),
                   "expected a power of two from 8 to 1048576"));
  }
}

TEST_CASE("llama.cpp 26318: an alignment of another type") {
  const auto file =
      FileBytes::start(0, 1).key("general.alignment", ValueType::I32).number(int32_t{32});
  CHECK(contains(refusal(file), "general.alignment: expected u32, found i32"));
}

TEST_CASE("llama.cpp 26690: scores of bytes where floats are read") {
  auto file = FileBytes::start(0, 2).key("tokenizer.ggml.scores", ValueType::Array);
  file.array(ValueType::U8, 2).number(uint8_t{1}).number(uint8_t{2});
  file.key("tokenizer.ggml.token_type", ValueType::Array).array(ValueType::F32, 1).number(1.0f);
  const ParsedBytes parsed(file.bytes());
  REQUIRE(parsed->has_value());
  const Metadata& metadata = (*parsed)->metadata();
  const auto scores = metadata.get<std::vector<double>>("tokenizer.ggml.scores");
  REQUIRE(!scores.has_value());
  CHECK(scores.error().message ==
        "tokenizer.ggml.scores: expected an array of floats, found array of u8");
  const auto types = metadata.get<std::vector<int64_t>>("tokenizer.ggml.token_type");
  REQUIRE(!types.has_value());
  CHECK(types.error().message ==
        "tokenizer.ggml.token_type: expected an array of integers, found array of f32");
}

TEST_CASE("llama.cpp 27188: 43 bytes with an array of 2^63 elements") {
  const auto file = FileBytes::start(0, 1).raw(std::string("\1\0\0\0\0\0\0\0k", 9));
  auto bytes = file;
  bytes.number(static_cast<int32_t>(ValueType::Array)).array(ValueType::Array, uint64_t{1} << 63);
  CHECK(contains(refusal(bytes), "k: expected an array"));
  auto strings = file;
  strings.number(static_cast<int32_t>(ValueType::Array))
      .array(ValueType::String, uint64_t{1} << 63);
  CHECK(contains(refusal(strings), "k: expected an array that fits the 0 bytes left"));
}

TEST_CASE("llama.cpp 27056: an adapter whose tensor data ends early") {
  auto file = FileBytes::start(2, 1).key("general.type", ValueType::String).string("adapter");
  file.tensor("blk.0.attn_q.weight.lora_a", {64, 4}, DType::F32, 0);
  file.tensor("blk.0.attn_q.weight.lora_b", {4, 64}, DType::F32, 1024).pad().data(1500);
  CHECK(contains(refusal(file), "it is cut short"));
}

TEST_CASE("a number that does not fit a signed integer is an error, not a negative one") {
  auto file = FileBytes::start(0, 2).key("llama.block_count", ValueType::U64).number(kMinusOne);
  file.key("list", ValueType::Array).array(ValueType::U64, 1).number(kMinusOne);
  const ParsedBytes parsed(file.bytes());
  REQUIRE(parsed->has_value());
  const auto count = (*parsed)->metadata().require<int64_t>("llama.block_count");
  REQUIRE(!count.has_value());
  CHECK(contains(count.error().message,
                 "llama.block_count: expected an integer up to 9223372036854775807"));
  CHECK(!(*parsed)->metadata().get<std::vector<int64_t>>("list").has_value());
}
