#include "gguf/reader.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "base/file.h"
#include "base/folder.h"
#include "gguf/touch.h"
#include "shared_data.h"

using namespace issun;
using namespace issun::gguf;

namespace {

std::vector<std::string> shared_files(const std::string& folder) {
  std::vector<std::string> paths = *files_below(shared_path(folder));
  std::erase_if(paths, [](const std::string& path) { return !path.ends_with(".gguf"); });
  return paths;
}

}  // namespace

TEST_CASE("every model of the conformance data opens") {
  if (!have_shared("conformance/arch")) return;
  for (const std::string& path : shared_files("conformance/arch")) {
    CAPTURE(path);
    const Result<GgufFile> file = GgufFile::open(path);
    REQUIRE_MESSAGE(file.has_value(), file.error().message);
    CHECK(file->metadata().require<std::string_view>("general.architecture").has_value());
    CHECK(file->tensors().size() > 0);
    CHECK(file->file_bytes() == File::open_for_reading(path)->size());
    CHECK(file->data_bytes() < file->file_bytes());
    CHECK(touch(*file) > 0);
    CHECK(file->still_whole().has_value());
  }
}

TEST_CASE("every vocabulary of the conformance data opens") {
  if (!have_shared("conformance/tokenizer")) return;
  for (const std::string& path : shared_files("conformance/tokenizer")) {
    CAPTURE(path);
    const Result<GgufFile> file = GgufFile::open(path);
    REQUIRE_MESSAGE(file.has_value(), file.error().message);
    const auto tokens =
        file->metadata().require<std::vector<std::string_view>>("tokenizer.ggml.tokens");
    REQUIRE(tokens.has_value());
    CHECK(tokens->size() > 1000);
  }
}

TEST_CASE("other containers of a model hold the same tensors and keys") {
  if (!have_shared("conformance/container")) return;
  const Result<GgufFile> base = GgufFile::open(shared_path("conformance/arch/mistral3.gguf"));
  REQUIRE(base.has_value());
  for (const std::string variant : {"align64", "extra-keys", "v2", "split-00001-of-00003"}) {
    CAPTURE(variant);
    const Result<GgufFile> file =
        GgufFile::open(shared_path("conformance/container/" + variant + ".gguf"));
    REQUIRE_MESSAGE(file.has_value(), file.error().message);
    CHECK(file->version() == (variant == "v2" ? 2 : 3));
    CHECK(file->alignment() == (variant == "align64" ? 64 : 32));
    CHECK(file->parts().size() == (variant.starts_with("split") ? 3 : 1));
    CHECK(file->tensors().size() == base->tensors().size());
    for (const Tensor& expected : base->tensors()) {
      const Tensor tensor = file->find(expected.name);
      REQUIRE_MESSAGE(tensor, expected.name);
      CHECK(tensor.type == expected.type);
      CHECK(tensor.size == expected.size);
      CHECK(std::equal(tensor.data, tensor.data + tensor.bytes(), expected.data));
    }
    for (const Metadata::Entry& expected : base->metadata().entries()) {
      const Value* value = file->metadata().find(expected.key);
      REQUIRE_MESSAGE(value != nullptr, expected.key);
      CHECK(value->data == expected.value.data);
    }
  }
}

TEST_CASE("a part of a split file other than the first is refused with its number") {
  if (!have_shared("conformance/container")) return;
  const auto file = GgufFile::open(shared_path("conformance/container/split-00002-of-00003.gguf"));
  REQUIRE(!file.has_value());
  CHECK(file.error().message.find("expected the first part of a split file, found part 2 of 3") !=
        std::string::npos);
}
