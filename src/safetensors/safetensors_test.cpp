#include <doctest/doctest.h>

#include "base/file.h"
#include "safetensors/made_up.h"
#include "safetensors/set.h"
#include "scratch_folder.h"
#include "shared_data.h"

namespace issun::safetensors {
namespace {

constexpr const char* kTable =
    R"({"__metadata__":{"format":"pt"},"b":{"dtype":"F16","shape":[2,3],"data_offsets":[4,16]},)"
    R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})";

std::string error_of(std::string_view table, size_t data_bytes) {
  const auto bytes = made_up_file(table, std::string(data_bytes, 'x'));
  const auto file = SafetensorsFile::parse(bytes, "f");
  return file ? "" : file.error().message;
}

void write(const std::string& path, std::string_view table, std::string_view data) {
  const auto bytes = made_up_file(table, data);
  REQUIRE(write_atomically(path, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
}

}  // namespace

TEST_CASE("tensors of a safetensors file are seen in place") {
  const auto bytes = made_up_file(kTable, "0123456789abcdef");
  const auto file = SafetensorsFile::parse(bytes, "f");
  REQUIRE(file.has_value());
  REQUIRE(file->tensors().size() == 2);
  const StoredTensor* b = file->find("b");
  REQUIRE(b != nullptr);
  CHECK(b->type->name == "F16");
  CHECK(b->rows() == 2);
  CHECK(b->columns() == 3);
  CHECK(static_cast<char>(b->data[0]) == '4');
  CHECK(file->find("a")->rows() == 1);
  CHECK(file->find("c") == nullptr);
  CHECK(file->notes().at("format") == "pt");
}

TEST_CASE("numbers of five kinds are read as floats, from any byte") {
  const char* const table = R"({"i":{"dtype":"I8","shape":[3],"data_offsets":[0,3]},)"
                            R"("f":{"dtype":"F32","shape":[2],"data_offsets":[3,11]},)"
                            R"("d":{"dtype":"F64","shape":[2],"data_offsets":[11,27]},)"
                            R"("h":{"dtype":"F16","shape":[2],"data_offsets":[27,31]},)"
                            R"("b":{"dtype":"BF16","shape":[2],"data_offsets":[31,35]},)"
                            R"("n":{"dtype":"I32","shape":[1],"data_offsets":[35,39]}})";
  std::string data("\x01\xfe\x80", 3);
  const auto append = [&](auto number) {
    data.append(reinterpret_cast<const char*>(&number), sizeof number);
  };
  append(1.5f), append(-2.25f), append(1e-3), append(-7.0);
  append(uint16_t{0x3c00}), append(uint16_t{0xc100}), append(uint16_t{0x3f80});
  append(uint16_t{0xc020}), append(int32_t{5});
  const auto bytes = made_up_file(table, data);
  const auto file = SafetensorsFile::parse(bytes, "f");
  REQUIRE_MESSAGE(file.has_value(), file.error().message);
  const auto last_two = [&](const char* name) {
    const StoredTensor& tensor = *file->find(name);
    std::vector<float> numbers(2);
    read_floats(tensor, tensor.columns() - 2, numbers);
    return numbers;
  };
  CHECK(last_two("i") == std::vector<float>{-2, -128});
  CHECK(last_two("f") == std::vector<float>{1.5f, -2.25f});
  CHECK(last_two("d") == std::vector<float>{1e-3f, -7});
  CHECK(last_two("h") == std::vector<float>{1, -2.5f});
  CHECK(last_two("b") == std::vector<float>{1, -2.5f});
  CHECK(!reads_as_floats(*file->find("n")->type));
}

TEST_CASE("a safetensors table that does not fit its file is refused by name") {
  CHECK(error_of(kTable, 15).find("b: data_offsets") != std::string::npos);
  CHECK(error_of(kTable, 17) == "f: expected 16 bytes of data for its tensors, found 17");
  const auto entry = [](const char* text) { return fmt::format("{{\"t\":{}}}", text); };
  CHECK(error_of(entry(R"({"dtype":"F32","shape":[2],"data_offsets":[0,4]})"), 4) ==
        "f: t: expected 8 bytes for F32 (2), found 4");
  CHECK(error_of(entry(R"({"dtype":"Q4","shape":[2],"data_offsets":[0,4]})"), 4) ==
        "f: t: dtype: expected a known number format such as BF16, found 'Q4'");
  CHECK(error_of(entry(R"({"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,4]})"),
                 4) ==
        "f: t: shape: expected fewer than 2^63 bytes, found (4611686018427387904, 4)");
  CHECK(error_of(entry(R"({"dtype":"F32","shape":[-1],"data_offsets":[0,4]})"), 4) ==
        "f: t: shape: expected whole numbers from 0, found -1");
  CHECK(error_of(entry(R"({"dtype":"F32","shape":[1],"data_offsets":[4,0]})"), 4) ==
        "f: t: data_offsets: expected a range in 4 bytes of data, found 4 to 0");
  CHECK(error_of(entry(R"({"dtype":"F32","data_offsets":[0,4]})"), 4) ==
        "f: t: expected dtype, shape and two data_offsets");
  CHECK(error_of(R"({"t":{"dtype":"I8","shape":[2],"data_offsets":[0,2]},)"
                 R"("u":{"dtype":"I8","shape":[2],"data_offsets":[1,3]}})",
                 3) ==
        "f: data_offsets: expected a tensor that begins at byte 2 of the data, found 1");
  CHECK(error_of(R"({"t":{"dtype":"I8","shape":[1],"data_offsets":[0,1]},)"
                 R"("t":{"dtype":"I8","shape":[1],"data_offsets":[1,2]}})",
                 2) == "f: t: expected every tensor once, found it twice");
  CHECK(error_of("{", 0) == "f: JSON: expected a key at byte 1");
}

TEST_CASE("what is no safetensors file is refused") {
  CHECK(!SafetensorsFile::parse({}, "f").has_value());
  auto bytes = made_up_file(kTable, "0123456789abcdef");
  for (size_t length = 0; length < bytes.size(); ++length) {
    CHECK(!SafetensorsFile::parse(std::span(bytes).first(length), "f").has_value());
  }
  bytes[7] = std::byte{0xff};  // a table of 2^63 bytes
  CHECK(!SafetensorsFile::parse(bytes, "f").has_value());
}

TEST_CASE("an index brings the files of a directory together, and only those") {
  const ScratchFolder folder;
  write(folder.path("one.safetensors"), R"({"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]}})",
        "1");
  write(folder.path("two.safetensors"), R"({"b":{"dtype":"I8","shape":[1],"data_offsets":[0,1]}})",
        "2");
  const auto opened_with = [&](const char* map) {
    REQUIRE(write_atomically(
        folder.path("model.safetensors.index.json"),
        fmt::format("{{\"metadata\":{{\"total_size\":2}},\"weight_map\":{}}}", map)));
    return SafetensorsSet::open(folder.path(""));
  };
  const auto set = opened_with(R"({"a":"one.safetensors","b":"two.safetensors"})");
  REQUIRE(set.has_value());
  CHECK(static_cast<char>(set->find("b")->data[0]) == '2');
  CHECK(set->data_bytes() == 2);
  const auto error = [&](const char* map) { return opened_with(map).error().message; };
  CHECK(error(R"({"a":"../one.safetensors"})").find("found '../one.safetensors'") !=
        std::string::npos);
  CHECK(error(R"({"c":"one.safetensors"})").find("c: expected that tensor in one.safetensors") !=
        std::string::npos);
  CHECK(error(R"({"a":"no.safetensors"})").find("no.safetensors") != std::string::npos);
  CHECK(error("{}").find("expected a weight_map") != std::string::npos);
  REQUIRE(write_atomically(folder.path("three.safetensors"),
                           *read_text(folder.path("one.safetensors"))));
  CHECK(error(R"({"a":"one.safetensors","b":"three.safetensors"})").find("found it in two") !=
        std::string::npos);
}

TEST_CASE("a real safetensors file opens") {
  const std::string path = "data/weights/model2vec/test-model-vocab-quantized";
  if (!have_shared(path)) return;
  const auto set = SafetensorsSet::open(shared_path(path));
  REQUIRE_MESSAGE(set.has_value(), set.error().message);
  CHECK(set->find("embeddings") != nullptr);
}

}  // namespace issun::safetensors
