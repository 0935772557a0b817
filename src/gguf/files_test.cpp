// What can go wrong between files: parts that do not belong together, a file that shrinks while it
// is open.
#include <doctest/doctest.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "base/file.h"
#include "contains.h"
#include "gguf/file_bytes.h"
#include "gguf/touch.h"
#include "gguf/value.h"
#include "gguf/writer.h"
#include "scratch_folder.h"

using namespace issun;
using namespace issun::gguf;

namespace {

void put(const std::string& path, const std::string& bytes) {
  REQUIRE(write_atomically(path, bytes).has_value());
}

std::string refusal(const std::string& path) {
  const Result<GgufFile> file = GgufFile::open(path);
  REQUIRE(!file.has_value());
  return file.error().message;
}

struct Part {
  uint16_t number, count = 2;
  int32_t tensors = 2;
  std::string tensor = "";  // its name; empty: a name made of the number
};

std::string part_bytes(const Part& part) {
  FileBytes file = FileBytes::start(1, 3);
  file.key("split.no", ValueType::U16)
      .number(part.number)
      .key("split.count", ValueType::U16)
      .number(part.count);
  file.key("split.tensors.count", ValueType::I32).number(part.tensors);
  const std::string name = part.tensor.empty() ? "t" + std::to_string(part.number) : part.tensor;
  return file.tensor(name, {8}, DType::F32, 0).pad().data(32).bytes();
}

}  // namespace

TEST_CASE("the parts of a split file are opened together") {
  const ScratchFolder folder;
  const std::string first = folder.path("m-00001-of-00002.gguf");
  put(first, part_bytes({.number = 0}));
  put(folder.path("m-00002-of-00002.gguf"), part_bytes({.number = 1}));
  const Result<GgufFile> file = GgufFile::open(first);
  REQUIRE_MESSAGE(file.has_value(), file.error().message);
  CHECK(file->parts().size() == 2);
  CHECK(file->tensors().size() == 2);
  CHECK(file->find("t1").data != nullptr);
  CHECK(file->data_bytes() == 64);
  CHECK(touch(*file) > 0);
}

TEST_CASE("parts that do not belong together are refused") {
  const ScratchFolder folder;
  const std::string first = folder.path("m-00001-of-00002.gguf");
  const std::string second = folder.path("m-00002-of-00002.gguf");
  put(first, part_bytes({.number = 0}));
  CHECK(contains(refusal(first), "m-00002-of-00002.gguf"));  // missing
  put(second, part_bytes({.number = 0}));
  CHECK(contains(refusal(first), "00002-of-00002.gguf: expected split.no 1, found 0"));
  put(second, part_bytes({.number = 1, .count = 3}));
  CHECK(contains(refusal(first), "00002-of-00002.gguf: expected split.count 2, found 3"));
  put(second, part_bytes({.number = 1, .tensor = "t0"}));
  CHECK(contains(refusal(first), "t0: expected every tensor in one part, found it in two"));
  put(second, FileBytes::start(0, 0).bytes());
  CHECK(contains(refusal(first),
                 "00002-of-00002.gguf: split.no: expected an integer, found no such key"));
  put(second, part_bytes({.number = 1}).substr(0, 100));
  CHECK(contains(refusal(first), "00002-of-00002.gguf: "));

  put(second, part_bytes({.number = 1}));
  put(first, part_bytes({.number = 0, .tensors = 3}));
  CHECK(contains(refusal(first), "expected 3 tensors in all parts, found 2"));
  const std::string renamed = folder.path("renamed.gguf");
  put(renamed, part_bytes({.number = 0}));
  CHECK(contains(refusal(renamed), "expected a name that ends in \"-00001-of-00002.gguf\""));
  CHECK(contains(refusal(second), "expected the first part of a split file, found part 2 of 2"));
}

TEST_CASE("what is no file, or no GGUF file, is refused by its path") {
  const ScratchFolder folder;
  CHECK(contains(refusal(folder.path("absent.gguf")), "absent.gguf"));
  CHECK(contains(refusal(folder.path("")), "found a directory"));
  put(folder.path("empty.gguf"), "");
  CHECK(contains(refusal(folder.path("empty.gguf")), "empty.gguf: expected the magic bytes GGUF"));
  CHECK(contains(refusal("/dev/zero"), "/dev/zero"));
}

#ifndef __wasm__  // where a file is read when it is opened
TEST_CASE("a file cut short while it is open is an error, not a death") {
  const ScratchFolder folder;
  const std::string path = folder.path("shrinking.gguf");
  auto writer = GgufWriter::create(path);
  REQUIRE(writer.has_value());
  const std::vector<int64_t> size = {1 << 16};
  REQUIRE(writer->add_tensor("weights", DType::F32, size).has_value());
  const std::vector<std::byte> data(4 << 16, std::byte{1});
  REQUIRE(writer->append(data).has_value());
  REQUIRE(writer->finish().has_value());

  const Result<GgufFile> file = GgufFile::open(path);
  REQUIRE(file.has_value());
  CHECK(file->still_whole().has_value());
  const uint64_t whole = touch(*file);
  REQUIRE(::truncate(path.c_str(), 8192) == 0);
  CHECK(touch(*file) < whole);  // the pages that are gone read as zeros
  const Result<void> state = file->still_whole();
  REQUIRE(!state.has_value());
  CHECK(contains(state.error().message, "shrinking.gguf: "));
}
#endif
