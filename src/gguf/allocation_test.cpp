// Memory taken while parsing stays in proportion to the file, whatever the file claims.
#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <string>

#include "gguf/file_bytes.h"

namespace {

std::atomic<int64_t> allocated{
    0};  // bytes asked of operator new so far, by all tests of this program

}  // namespace

void* operator new(size_t bytes) {
  allocated += static_cast<int64_t>(bytes);
  void* memory = std::malloc(bytes == 0 ? 1 : bytes);
  if (memory == nullptr) std::abort();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

using namespace issun::gguf;

namespace {

// Bytes asked for while parsing, given back or not.
int64_t bytes_for_parsing(const std::string& bytes) {
  const int64_t before = allocated;
  const ParsedBytes file(bytes);
  return allocated - before;
}

// A u8 of an array becomes a u64, a short string a view, a key an entry and its place in the index:
// at most ten times the file; one more for the copy that is parsed, and a little for messages.
void check_in_proportion(const FileBytes& file) {
  const auto size = static_cast<int64_t>(file.bytes().size());
  CHECK(bytes_for_parsing(file.bytes()) < 12 * size + 4096);
}

}  // namespace

TEST_CASE("memory for parsing is at most twelve times the file and a page") {
  check_in_proportion(FileBytes::start(kMinusOne, kMinusOne).data(1000));
  check_in_proportion(FileBytes::start(1 << 20, 1 << 20).data(1000));
  for (const ValueType element :
       {ValueType::U8, ValueType::Bool, ValueType::F32, ValueType::String, ValueType::I64}) {
    for (const uint64_t length :
         {uint64_t{100000}, uint64_t{1} << 30, uint64_t{1} << 60, kMinusOne}) {
      check_in_proportion(
          FileBytes::start(0, 1).key("key", ValueType::Array).array(element, length).data(100000));
    }
  }
  FileBytes keys = FileBytes::start(0, 20000);
  for (int i = 0; i < 20000; ++i) keys.key(std::to_string(i), ValueType::U8).number(uint8_t{1});
  REQUIRE(ParsedBytes(keys.bytes())->has_value());
  check_in_proportion(keys);

  FileBytes tensors = FileBytes::start(20000, 1);
  tensors.alignment(8);
  for (uint64_t i = 0; i < 20000; ++i)
    tensors.tensor(std::to_string(i), {1}, issun::DType::I8, i * 8);
  tensors.pad(8).data(20000 * 8);
  REQUIRE(ParsedBytes(tensors.bytes())->has_value());
  check_in_proportion(tensors);

  FileBytes strings =
      FileBytes::start(0, 1).key("key", ValueType::Array).array(ValueType::String, 100000);
  for (int i = 0; i < 100000; ++i) strings.string("");
  REQUIRE(ParsedBytes(strings.bytes())->has_value());
  check_in_proportion(strings);
}
