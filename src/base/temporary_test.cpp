#include "base/temporary.h"

#include <doctest/doctest.h>

#include <optional>

#include "base/file.h"

namespace issun {

TEST_CASE("a temporary file is gone with its folder, and stays readable to those who hold it") {
  std::optional<TemporaryFile> file;
  {
    auto created = TemporaryFile::create("model.gguf");
    REQUIRE(created.has_value());
    file.emplace(*std::move(created));
  }
  const std::string path = file->path();
  CHECK(path.ends_with("/model.gguf"));
  REQUIRE(write_atomically(path, "text").has_value());
  const auto mapped = MappedFile::open(path);
  REQUIRE(mapped.has_value());
  file.reset();
  CHECK(!is_file(path));
  CHECK(!is_directory(path.substr(0, path.rfind('/'))));
  CHECK(mapped->bytes().size() == 4);
  CHECK(static_cast<char>(mapped->bytes()[0]) == 't');
}

}  // namespace issun
