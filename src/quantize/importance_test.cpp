#include "quantize/importance.h"

#include <doctest/doctest.h>

#include <cstring>
#include <limits>

#include "base/file.h"
#include "base/temporary.h"
#include "contains.h"
#include "gguf/value.h"
#include "gguf/writer.h"

using namespace issun;
using namespace issun::quantize;

namespace {

// The older form, byte by byte.
class OlderFile {
 public:
  OlderFile& number(int32_t value) { return add(&value, 4); }
  OlderFile& text(const std::string& value) {
    number(static_cast<int32_t>(value.size()));
    return add(value.data(), value.size());
  }
  OlderFile& floats(const std::vector<float>& values) {
    number(static_cast<int32_t>(values.size()));
    return add(values.data(), values.size() * 4);
  }
  const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  OlderFile& add(const void* data, size_t count) {
    const auto* from = static_cast<const std::byte*>(data);
    bytes_.insert(bytes_.end(), from, from + count);
    return *this;
  }
  std::vector<std::byte> bytes_;
};

OlderFile two_tensors() {
  OlderFile file;
  file.number(2);
  file.text("a.weight").number(4).floats({4, 8});
  file.text("b.weight").number(1).floats({1, 2, 3});
  return file;
}

struct Half {
  std::string name;
  std::vector<int64_t> size;
  std::vector<float> values;
};

std::vector<std::byte> gguf_file(const std::vector<Half>& halves) {
  const TemporaryFile file = *TemporaryFile::create("imatrix.gguf");
  const std::string& path = file.path();
  auto writer = *gguf::GgufWriter::create(path);
  REQUIRE(writer.set("imatrix.chunk_count", gguf::make_u32(7)));
  REQUIRE(writer.set("imatrix.datasets", gguf::make_strings({"wiki", "code"})));
  for (const Half& half : halves) REQUIRE(writer.add_tensor(half.name, DType::F32, half.size));
  for (const Half& half : halves) REQUIRE(writer.append(std::as_bytes(std::span(half.values))));
  REQUIRE(writer.finish());
  const auto mapped = *MappedFile::open(path);
  return {mapped.bytes().begin(), mapped.bytes().end()};
}

std::string error_of(const std::vector<std::byte>& bytes) {
  const auto read = Importance::parse(bytes, "f.imatrix");
  REQUIRE_FALSE(read.has_value());
  return read.error().message;
}

}  // namespace

TEST_CASE("the older form gives means, and what it says of the text") {
  OlderFile file = two_tensors();
  file.number(12).text("wiki.train");
  const auto read = Importance::parse(file.bytes(), "f");
  REQUIRE(read.has_value());
  REQUIRE(read->find("a.weight") != nullptr);
  CHECK(read->find("a.weight")->values == std::vector<float>{1, 2});
  CHECK(read->find("b.weight")->values == std::vector<float>{1, 2, 3});
  CHECK(read->find("c.weight") == nullptr);
  CHECK(read->chunks() == 12);
  CHECK(read->datasets() == std::vector<std::string>{"wiki.train"});
  CHECK(Importance::parse(two_tensors().bytes(), "f")->chunks() == 0);
}

TEST_CASE("the older form is refused wherever it breaks off") {
  const auto whole = two_tensors().bytes();
  for (size_t length = 0; length < whole.size(); ++length) {
    CAPTURE(length);
    CHECK(contains(error_of({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length)}),
                   "f.imatrix"));
  }
}

TEST_CASE("numbers that no mean of squares can be are refused by name and place") {
  for (const float wrong :
       {-1.0f, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    OlderFile file;
    file.number(1).text("a.weight").number(1).floats({1, wrong});
    const std::string error = error_of(file.bytes());
    CHECK(contains(error, "a.weight"));
    CHECK(contains(error, "place 1"));
    CHECK(contains(error_of(gguf_file({{"a.in_sum2", {2}, {1, wrong}}, {"a.counts", {1}, {1}}})),
                   "place 1"));
  }
}

TEST_CASE("the newer form gives each expert its means") {
  const auto bytes = gguf_file({{"a.weight.in_sum2", {2, 3}, {2, 4, 9, 9, 30, 60}},
                                {"a.weight.counts", {1, 3}, {2, 0, 30}},
                                {"other", {1}, {5}}});
  const auto read = Importance::parse(bytes, "f");
  REQUIRE(read.has_value());
  const Importance::Entry& entry = *read->find("a.weight");
  CHECK(entry.values == std::vector<float>{1, 2, 1, 1, 1, 2});
  CHECK(entry.parts == 3);
  CHECK(entry.unmet == 1);
  CHECK(read->entries().size() == 1);
  CHECK(read->chunks() == 7);
  CHECK(read->datasets() == std::vector<std::string>{"wiki", "code"});
}

TEST_CASE("halves without each other, and files of something else, are refused") {
  CHECK(contains(error_of(gguf_file({{"a.in_sum2", {2}, {1, 2}}})), "counts"));
  CHECK(contains(error_of(gguf_file({{"a.counts", {1}, {1}}})), "sums"));
  CHECK(contains(
      error_of(gguf_file({{"a.in_sum2", {4}, {1, 2, 3, 4}}, {"a.counts", {3}, {1, 1, 1}}})),
      "3 counts for 4 sums"));
  CHECK(contains(error_of(gguf_file({{"a.weight", {2}, {1, 2}}})), "no entries"));
}
