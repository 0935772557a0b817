// Files that are wrong in one way each: every one is refused by a sentence that names the thing.
#include <doctest/doctest.h>

#include <bit>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "gguf/file_bytes.h"
#include "gguf/touch.h"

using namespace issun;
using namespace issun::gguf;

namespace {

struct Case {
  const char* what;
  std::string bytes;
  const char* message;  // part of the error expected
};

void check_refused(const std::vector<Case>& cases) {
  for (const Case& one : cases) {
    CAPTURE(one.what);
    const ParsedBytes file(one.bytes);
    REQUIRE(!file->has_value());
    CAPTURE(file.message());
    CHECK(file.message().starts_with("test.gguf: "));
    CHECK(file.message().find(one.message) != std::string::npos);
  }
}

FileBytes one_tensor(std::vector<int64_t> size, DType type, uint64_t offset = 0) {
  return FileBytes::start(1, 0).tensor("weights", std::move(size), type, offset).pad().data(256);
}

// Two tensors and four keys, all sound: what the wrong ones are made from.
std::string small_file() {
  return FileBytes::start(2, 4)
      .key("general.architecture", ValueType::String)
      .string("llama")
      .key("tokens", ValueType::Array)
      .array(ValueType::String, 3)
      .string("a")
      .string("")
      .string("bcd")
      .key("types", ValueType::Array)
      .array(ValueType::I32, 2)
      .number(int32_t{1})
      .number(int32_t{-2})
      .key("flag", ValueType::Bool)
      .number(uint8_t{1})
      .tensor("first", {3, 2}, DType::F32, 0)
      .tensor("second", {32}, DType::Q8_0, 32)
      .pad()
      .data(24)
      .pad()
      .data(34)
      .bytes();
}

}  // namespace

TEST_CASE("the small sound file, from which the wrong ones are made, opens") {
  const ParsedBytes file(small_file());
  REQUIRE_MESSAGE(file->has_value(), file.message());
  CHECK((*file)->tensors().size() == 2);
  CHECK((*file)->metadata().entries().size() == 4);
  CHECK((*file)->find("second").bytes() == 34);
  CHECK((*file)->find("third").data == nullptr);
  CHECK(touch(**file) > 0);
}

TEST_CASE("a wrong header is refused") {
  check_refused({
      {"bad magic", FileBytes().raw("FUGG").number(3u).number(0ull).number(0ull).bytes(),
       "expected a GGUF file, found one that starts with \"FUGG\""},
      {"empty file", "", "expected the magic bytes GGUF"},
      {"three bytes", "GGU", "expected the magic bytes GGUF"},
      {"a terminal escape as magic", "\x1b[2J and more", "starts with \"\\x1b[2J\""},
      {"bad version 0", FileBytes::start(0, 0, 0).bytes(), "found version 0"},
      {"bad version 1", FileBytes::start(0, 0, 1).bytes(),
       "found version 1, which no program writes"},
      {"bad version future", FileBytes::start(0, 0, 4).bytes(),
       "expected GGUF version 2 or 3, found version 4"},
      {"big-endian", FileBytes::start(0, 0, 0x03000000).bytes(),
       "found a big-endian one (version 3"},
      {"bad n_tensors", FileBytes::start(kMinusOne, 0).pad().bytes(),
       "found a count of 18446744073709551615"},
      {"bad n_kv", FileBytes::start(0, kMinusOne).pad().bytes(),
       "found a count of 18446744073709551615"},
  });
}

TEST_CASE("wrong keys are refused") {
  const auto start = [](uint64_t keys = 1) { return FileBytes::start(0, keys); };
  check_refused({
      {"bad key size", start().number(kMinusOne).raw("my_key").number(0).number(0).bytes(),
       "key 0 of 1: expected a name that ends before the file's"},
      {"empty key", start().key("", ValueType::U32).number(7).pad().bytes(),
       "key 0 of 1, at byte 24: expected a name of 1 to 65535 bytes, found 0"},
      {"long key", start().key(std::string(65536, 'k'), ValueType::U32).number(7).bytes(),
       "found 65536"},
      {"bad type", start().key("my_key", static_cast<ValueType>(13)).number(7).bytes(),
       "my_key: expected a value type from 0 to 12, found 13"},
      {"negative type", start().key("my_key", static_cast<ValueType>(-1)).number(7).bytes(),
       "my_key: expected a value type from 0 to 12, found -1"},
      {"bad element type",
       start().key("my_key", ValueType::Array).number(99).number(0ull).pad().bytes(),
       "my_key: expected a value type from 0 to 12, found 99"},
      {"duplicate key",
       start(2)
           .key("my_key", ValueType::U32)
           .number(1)
           .key("my_key", ValueType::U32)
           .number(1)
           .bytes(),
       "my_key: expected every key once, found it twice"},
      {"bad align", start().alignment(13).pad().bytes(),
       "general.alignment: expected a power of two from 8 to 1048576, found 13"},
      {"alignment 0", start().alignment(0).pad().bytes(), "found 0"},
      {"alignment 1, which would leave numbers misaligned", start().alignment(1).pad().bytes(),
       "found 1"},
      {"wrong type align",
       start().key("general.alignment", ValueType::I32).number(32).pad().bytes(),
       "general.alignment: expected u32, found i32"},
      {"array as alignment",
       start()
           .key("general.alignment", ValueType::Array)
           .array(ValueType::U32, 1)
           .number(32)
           .pad()
           .bytes(),
       "general.alignment: expected u32, found array of u32"},
      {"array of arrays",
       start().key("my_key", ValueType::Array).array(ValueType::Array, 1).pad().bytes(),
       "my_key: expected an array of numbers or strings, found an array of arrays"},
      {"array longer than the file",
       start().key("my_key", ValueType::Array).array(ValueType::U8, 100).data(99).bytes(),
       "my_key: expected an array that fits the 99 bytes left, found 100 elements of type u8"},
      {"string longer than the file",
       start().key("my_key", ValueType::String).number(6ull).raw("hello").bytes(),
       "my_key: expected more bytes, found the end of the file"},
      {"a string of an array longer than the file",
       start()
           .key("my_key", ValueType::Array)
           .array(ValueType::String, 2)
           .string("abcdefgh")
           .number(9ull)
           .bytes(),
       "my_key: expected 2 strings, found string 1 to reach beyond"},
      {"bool 2", start().key("my_key", ValueType::Bool).number(uint8_t{2}).pad().bytes(),
       "my_key: expected 0 or 1 for a bool, found 2"},
      {"bool 255 in an array",
       start()
           .key("my_key", ValueType::Array)
           .array(ValueType::Bool, 1)
           .number(uint8_t{255})
           .pad()
           .bytes(),
       "my_key: expected 0 or 1 for a bool, found 255"},
      {"a key that would steer a terminal",
       start().key("\x1b[31m\n", static_cast<ValueType>(77)).pad().bytes(),
       "\\x1b[31m\\x0a: expected a value type"},
  });
}

TEST_CASE("wrong tensors are refused") {
  const auto two = [](std::string_view second, int32_t type, uint64_t offset) {
    return FileBytes::start(2, 0)
        .tensor("first", {8}, DType::F32, 0)
        .tensor(second, {8}, type, offset)
        .pad()
        .data(64)
        .bytes();
  };
  const int64_t large = 4 * int64_t{std::numeric_limits<int32_t>::max()};
  const int32_t f32 = 0;
  check_refused({
      {"bad name size", two(std::string(64, 'n'), f32, 32),
       "expected a name of 1 to 63 bytes, found 64"},
      {"empty name", two("", f32, 32),
       "tensor 1 of 2 (): expected a name of 1 to 63 bytes, found 0"},
      {"name beyond the file", FileBytes::start(1, 0).number(kMinusOne).pad().data(64).bytes(),
       "tensor 0 of 1: expected a name that ends before the file's"},
      {"bad n_dims", one_tensor({1, 1, 1, 1, 1}, DType::F32).bytes(),
       "weights: expected at most 4 dimensions, found 5"},
      {"bad shape", one_tensor({-1}, DType::F32).bytes(),
       "weights: expected a positive size in dimension 0, found -1"},
      {"zero dim", one_tensor({8, 0}, DType::F32).bytes(),
       "expected a positive size in dimension 1, found 0"},
      {"ne too big", one_tensor({large, large}, DType::F32).bytes(),
       "expected fewer than 2^63 values and bytes"},
      {"nbytes too big", one_tensor({int64_t{1} << 31, int64_t{1} << 30}, DType::I64).bytes(),
       "expected fewer than 2^63 values and bytes"},
      {"more bytes than the file", one_tensor({65}, DType::F32).bytes(), "it is cut short"},
      {"far more bytes than the file", one_tensor({1 << 20}, DType::F32).bytes(),
       "weights: expected a tensor inside the file, found 4194304 bytes at offset 0 in a file of "
       "320"},
      {"bad type", two("second", 43, 32), "second: expected a type id from 0 to 42, found 43"},
      {"negative type", two("second", -1, 32), "second: expected a type id from 0 to 42, found -1"},
      {"a removed type", two("second", 4, 32), "Q4_2 (id 4), which was removed"},
      {"a removed repacked type", two("second", 31, 32), "Q4_0_4_4 (id 31), which was removed"},
      {"a type of activations", two("second", 15, 32),
       "Q8_K (id 15), which is for activations only"},
      {"half a block", one_tensor({16}, DType::Q8_0).bytes(),
       "expected rows of a multiple of 32 values for Q8_0, found 16"},
      {"bad offset", two("second", f32, kMinusOne), "second: expected offset 32"},
      {"overlapping", two("second", f32, 0),
       "second: expected offset 32, right after the tensor before it, found 0"},
      {"misaligned", two("second", f32, 33),
       "second: expected offset 32, right after the tensor before it, found 33"},
      {"a gap", two("second", f32, 64),
       "second: expected offset 32, right after the tensor before it, found 64"},
      {"duplicate name", two("first", f32, 32),
       "first: expected every tensor once, found it twice"},
      {"bad align",
       FileBytes::start(1, 1)
           .alignment(13)
           .tensor("weights", {8}, DType::F32, 0)
           .pad()
           .data(32)
           .bytes(),
       "general.alignment: expected a power of two from 8 to 1048576, found 13"},
      {"inconsistent align",
       FileBytes::start(2, 0)
           .tensor("first", {1}, DType::F32, 0)
           .tensor("second", {1}, DType::F32, 4)
           .pad()
           .data(8)
           .bytes(),
       "second: expected offset 32, right after the tensor before it, found 4"},
      {"alignment larger than the one used",
       FileBytes::start(2, 1)
           .alignment(64)
           .tensor("first", {8}, DType::F32, 0)
           .tensor("second", {8}, DType::F32, 32)
           .pad()
           .data(64)
           .bytes(),
       "second: expected offset 64, right after the tensor before it, found 32"},
      {"the table ends early",
       FileBytes::start(1, 0).string("weights").number(4u).number(1ll).number(1ll).bytes(),
       "weights: expected 4 sizes, found the end of the file"},
  });
}

TEST_CASE("wrong tensor data is refused") {
  const int64_t huge = 0x7fffffffffffffc0;
  check_refused({
      {"not enough data",
       FileBytes::start(1, 0).tensor("weights", {8}, DType::F32, 0).pad().data(31).bytes(),
       "expected 32 bytes of tensors after byte 64, found 31: it is cut short"},
      {"no data", FileBytes::start(1, 0).tensor("weights", {8}, DType::F32, 0).bytes(),
       "it is cut short"},
      {"bad align",
       FileBytes::start(1, 1)
           .alignment(13)
           .tensor("weights", {8}, DType::F32, 0)
           .pad(13)
           .data(39)
           .bytes(),
       "general.alignment: expected a power of two from 8 to 1048576, found 13"},
      {"inconsistent align: data begins where no alignment puts it",
       FileBytes::start(1, 1)
           .alignment(4096)
           .tensor("weights", {8}, DType::F32, 0)
           .pad(32)
           .data(64)
           .bytes(),
       "it is cut short"},
      {"mem size overflow",
       FileBytes::start(2, 0)
           .tensor("first", {huge}, DType::I8, 0)
           .tensor("second", {huge}, DType::I8, static_cast<uint64_t>(huge))
           .pad()
           .data(32)
           .bytes(),
       "first: expected a tensor inside the file"},
  });
}

TEST_CASE("a file cut at any byte is refused, until its last tensor is whole") {
  const std::string whole = small_file();
  for (size_t length = 0; length < whole.size(); ++length) {
    CAPTURE(length);
    const ParsedBytes file(whole.substr(0, length));
    CHECK(!file->has_value());
  }
  CHECK(ParsedBytes(whole)->has_value());
  CHECK(ParsedBytes(whole + std::string(30, '\0'))
            ->has_value());  // the last padding, which may be missing
}

TEST_CASE("a file with any bit flipped is refused, or opens and can be read whole") {
  const std::string sound = small_file();
  int refused = 0;
  for (size_t bit = 0; bit < sound.size() * 8; ++bit) {
    std::string bytes = sound;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    const ParsedBytes file(bytes);
    if (!file->has_value()) {
      ++refused;
    } else {
      touch(**file);
    }
  }
  CHECK(refused > 1000);
}

TEST_CASE(
    "a file with a wrong number of eight bytes anywhere is refused, or opens and can be read "
    "whole") {
  const std::string sound = small_file();
  constexpr uint64_t kWrong[] = {
      0, 1, 0x7f, 0xffffffff, 0x80000000, 1ull << 42, (1ull << 63) - 1, 1ull << 63, kMinusOne};
  int refused = 0;
  for (size_t at = 0; at + 8 <= sound.size(); ++at) {
    for (const uint64_t number : kWrong) {
      std::string bytes = sound;
      std::memcpy(bytes.data() + at, &number, 8);
      const ParsedBytes file(bytes);
      if (!file->has_value()) {
        ++refused;
      } else {
        touch(**file);
      }
    }
  }
  CHECK(refused > 1000);
}
