#include "gguf/writer.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "base/file.h"
#include "gguf/reader.h"
#include "gguf/value.h"
#include "scratch_folder.h"
#include "shared_data.h"
#ifndef __wasm__
#include "little_disk.h"
#endif

using namespace issun;
using namespace issun::gguf;

namespace {

std::span<const std::byte> bytes_of(const std::vector<float>& values) {
  return std::as_bytes(std::span(values));
}

}  // namespace

TEST_CASE("what is written is read back: keys of every type, tensors of every type") {
  const auto array = [](ValueType element, decltype(Value::data) data) {
    return Value{.type = ValueType::Array, .element = element, .data = std::move(data)};
  };
  const std::vector<std::pair<std::string, Value>> values = {
      {"u8", {.type = ValueType::U8, .data = uint64_t{255}}},
      {"i8", {.type = ValueType::I8, .data = int64_t{-128}}},
      {"u16", {.type = ValueType::U16, .data = uint64_t{65535}}},
      {"i16", {.type = ValueType::I16, .data = int64_t{-32768}}},
      {"u32", make_u32(4294967295u)},
      {"i32", make_i32(-2147483647 - 1)},
      {"f32", make_f32(0.1f)},
      {"bool", make_bool(true)},
      {"string", make_string("a string with \n and \xff")},
      {"empty string", make_string("")},
      {"u64", make_u64(std::numeric_limits<uint64_t>::max())},
      {"i64", {.type = ValueType::I64, .data = std::numeric_limits<int64_t>::min()}},
      {"f64", {.type = ValueType::F64, .data = 1e300}},
      {"u8s", array(ValueType::U8, std::vector<uint64_t>{0, 1, 255})},
      {"i8s", array(ValueType::I8, std::vector<int64_t>{-128, 127})},
      {"u16s", array(ValueType::U16, std::vector<uint64_t>{0, 65535})},
      {"i16s", array(ValueType::I16, std::vector<int64_t>{-32768})},
      {"u32s", array(ValueType::U32, std::vector<uint64_t>{4294967295u})},
      {"i32s", make_i32s(std::vector<int32_t>{-1, 0, 1})},
      {"f32s", make_f32s(std::vector<float>{-0.5f, 3.25f})},
      {"bools", make_bools({true, false, true})},
      {"strings", make_strings({"one", "", "three"})},
      {"u64s", array(ValueType::U64, std::vector<uint64_t>{1, 2})},
      {"i64s", array(ValueType::I64, std::vector<int64_t>{-1})},
      {"f64s", array(ValueType::F64, std::vector<double>{1e-300})},
      {"empty array", make_strings({})},
  };
  for (const int64_t alignment : {8, 32, 4096}) {
    CAPTURE(alignment);
    const ScratchFolder folder;
    const std::string path = folder.path("all.gguf");
    auto writer = GgufWriter::create(path, alignment);
    REQUIRE(writer.has_value());
    for (const auto& [key, value] : values) REQUIRE(writer->set(key, value).has_value());
    std::vector<std::vector<std::byte>> data;
    std::mt19937 random(7);
    for (int id = 0; id < 43; ++id) {
      const Result<DTypeFacts> format = dtype_facts(id);
      if (!format) continue;
      const std::vector<int64_t> size = {format->block * 3, 1 + id % 3, 2, 1 + id % 2};
      REQUIRE(writer->add_tensor(format->name, format->type, size).has_value());
      data.emplace_back(static_cast<size_t>(3 * format->bytes * size[1] * size[2] * size[3]));
      for (std::byte& byte : data.back()) byte = static_cast<std::byte>(random());
    }
    for (const std::vector<std::byte>& bytes : data) {
      const auto all = std::span(bytes);
      REQUIRE(writer->missing_bytes() == static_cast<int64_t>(all.size()));
      REQUIRE(writer->append(all.first(all.size() / 3)).has_value());
      REQUIRE(writer->append(all.subspan(all.size() / 3)).has_value());
    }
    CHECK(!is_file(path));
    REQUIRE(writer->finish().has_value());

    const Result<GgufFile> file = GgufFile::open(path);
    REQUIRE_MESSAGE(file.has_value(), file.error().message);
    CHECK(file->alignment() == alignment);
    CHECK(file->metadata().entries().size() == values.size() + (alignment != 32 ? 1 : 0));
    for (const auto& [key, value] : values) {
      const Value* found = file->metadata().find(key);
      REQUIRE(found != nullptr);
      CHECK(found->type == value.type);
      CHECK(found->element == value.element);
      CHECK(found->data == value.data);
    }
    REQUIRE(file->tensors().size() == data.size());
    for (size_t i = 0; i < data.size(); ++i) {
      const Tensor& tensor = file->tensors()[i];
      CHECK(reinterpret_cast<uintptr_t>(tensor.data) % static_cast<uintptr_t>(alignment) == 0);
      REQUIRE(tensor.bytes() == static_cast<int64_t>(data[i].size()));
      CHECK(std::equal(data[i].begin(), data[i].end(), tensor.data));
    }
    CHECK(folder.count() == 1);
  }
}

TEST_CASE("a model copied tensor by tensor is the same file, byte for byte") {
  if (!have_shared("conformance/arch")) return;
  const ScratchFolder folder;
  for (const std::string name : {"llama-q4_k_m", "qwen3", "gpt-oss-mxfp4"}) {
    const std::string source = "conformance/arch/" + name + ".gguf";
    if (!have_shared(source)) continue;
    const Result<GgufFile> file = GgufFile::open(shared_path(source));
    REQUIRE(file.has_value());
    auto writer = GgufWriter::create(folder.path(name));
    REQUIRE(writer.has_value());
    REQUIRE(writer->copy(file->metadata()).has_value());
    for (const Tensor& tensor : file->tensors()) {
      size_t dimensions = 4;
      while (dimensions > 1 && tensor.size[dimensions - 1] == 1) --dimensions;
      const auto size = std::span(tensor.size).first(dimensions);
      REQUIRE(writer->add_tensor(tensor.name, tensor.type, size).has_value());
    }
    for (const Tensor& tensor : file->tensors()) {
      for (int64_t r = 0; r < tensor.rows(); ++r) {
        REQUIRE(
            writer->append({tensor.row(r), static_cast<size_t>(tensor.row_bytes())}).has_value());
      }
    }
    REQUIRE(writer->finish().has_value());
    const Result<MappedFile> copy = MappedFile::open(folder.path(name));
    REQUIRE(copy.has_value());
    const auto original = file->parts()[0].bytes();
    CHECK(copy->bytes().size() == original.size());
    CHECK(std::equal(original.begin(), original.end(), copy->bytes().begin(), copy->bytes().end()));
  }
}

TEST_CASE("a writer that is dropped, or whose tensors lack bytes, leaves nothing behind") {
  const ScratchFolder folder;
  const std::vector<float> values(40, 1.0f);
  const std::vector<int64_t> size = {40, 2};
  {
    auto writer = GgufWriter::create(folder.path("dropped.gguf"));
    REQUIRE(writer.has_value());
    REQUIRE(writer->add_tensor("t", DType::F32, size).has_value());
    REQUIRE(writer->append(bytes_of(values)).has_value());
    CHECK(!folder.empty());
  }
  CHECK(folder.empty());
  auto writer = GgufWriter::create(folder.path("short.gguf"));
  REQUIRE(writer.has_value());
  REQUIRE(writer->add_tensor("t", DType::F32, size).has_value());
  REQUIRE(writer->append(bytes_of(values)).has_value());
  const Result<void> finished = writer->finish();
  REQUIRE(!finished.has_value());
  CHECK(finished.error().message.find("t: expected 160 more bytes") != std::string::npos);
  CHECK(folder.empty());
  CHECK(!writer->append(bytes_of(values)).has_value());
  CHECK(!writer->finish().has_value());
}

TEST_CASE("the old file stays as it was until the new one is finished") {
  const ScratchFolder folder;
  const std::string path = folder.path("model.gguf");
  const std::vector<int64_t> size = {8};
  for (const uint32_t number : {1u, 2u}) {
    auto writer = GgufWriter::create(path);
    REQUIRE(writer.has_value());
    REQUIRE(writer->set("number", make_u32(number)).has_value());
    REQUIRE(writer->add_tensor("t", DType::F32, size).has_value());
    REQUIRE(writer->append(bytes_of(std::vector<float>(8))).has_value());
    if (number == 2) {
      const Result<GgufFile> old = GgufFile::open(path);
      REQUIRE(old.has_value());
      CHECK(*old->metadata().require<int64_t>("number") == 1);
    }
    REQUIRE(writer->finish().has_value());
    CHECK(folder.count() == 1);
  }
  const Result<GgufFile> file = GgufFile::open(path);
  REQUIRE(file.has_value());
  CHECK(*file->metadata().require<int64_t>("number") == 2);
}

TEST_CASE("a writer refuses what its reader would refuse") {
  const ScratchFolder folder;
  for (const int64_t alignment : {0, 4, 33, 1 << 21, -32}) {
    CHECK(!GgufWriter::create(folder.path("x.gguf"), alignment).has_value());
  }
  auto writer = GgufWriter::create(folder.path("x.gguf"));
  REQUIRE(writer.has_value());
  REQUIRE(writer->set("key", make_u32(1)).has_value());
  CHECK(!writer->set("key", make_u32(1)).has_value());
  CHECK(!writer->set("", make_u32(1)).has_value());
  CHECK(!writer->set("general.alignment", make_u32(32)).has_value());
  CHECK(!writer->set(std::string(70000, 'k'), make_u32(1)).has_value());
  CHECK(!writer->set("too large", {.type = ValueType::U8, .data = uint64_t{256}}).has_value());
  CHECK(!writer->set("too small", {.type = ValueType::I8, .data = int64_t{-129}}).has_value());
  CHECK(!writer->set("another kind", {.type = ValueType::String, .data = uint64_t{1}}).has_value());
  CHECK(!writer
             ->set("nested",
                   {.type = ValueType::Array, .element = ValueType::Array, .data = uint64_t{1}})
             .has_value());
  const auto add = [&](std::string_view name, DType type, std::vector<int64_t> size) {
    return writer->add_tensor(name, type, size).has_value();
  };
  CHECK(add("t", DType::Q4_K, {256}));
  CHECK(!add("t", DType::Q4_K, {256}));
  CHECK(!add("u", DType::Q4_K, {255}));
  CHECK(!add("u", DType::F32, {0}));
  CHECK(!add("u", DType::F32, {-1, 2}));
  CHECK(!add("u", DType::F32, {}));
  CHECK(!add("u", DType::F32, {1, 1, 1, 1, 1}));
  CHECK(!add("u", DType::F32, {int64_t{1} << 62, 2}));
  CHECK(!add("u", DType::F32, {int64_t{1} << 61, 1}));
  CHECK(!add(std::string(64, 'n'), DType::F32, {1}));
  CHECK(!add("", DType::F32, {1}));
  const std::vector<std::byte> block(144);
  REQUIRE(writer->append(block).has_value());
  CHECK(!writer->set("late", make_u32(1)).has_value());
  CHECK(!add("late", DType::F32, {1}));
  CHECK(!writer->append(block).has_value());  // beyond the last tensor: the file is given up
  CHECK(!writer->finish().has_value());
  CHECK(folder.empty());
}

#ifndef __wasm__  // which has no limits to set
TEST_CASE("a disk that fills up is an error, and no half file stays") {
  const ScratchFolder folder;
  auto writer = GgufWriter::create(folder.path("full.gguf"));
  REQUIRE(writer.has_value());
  const std::vector<int64_t> size = {1 << 20};
  REQUIRE(writer->add_tensor("t", DType::F32, size).has_value());
  const std::vector<float> values(1 << 20, 1.0f);
  const Result<void> appended = [&] {
    const LittleDisk disk(100000);
    return writer->append(bytes_of(values));
  }();
  REQUIRE(!appended.has_value());
  CHECK(appended.error().message.find("full.gguf") != std::string::npos);
  CHECK(!writer->finish().has_value());
  CHECK(folder.empty());
}
#endif
