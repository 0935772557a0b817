// The other parts of a split file.
#include <utility>

#include "base/quote.h"
#include "gguf/reader.h"
#include "gguf/split_name.h"

namespace issun::gguf {

// Metadata is that of the first part; the others bring tensors.
Result<void> GgufFile::open_other_parts(int64_t count) {
  const std::string first = files_[0].path();
  const auto number_of = [](const GgufFile& part, const std::string& path) -> Result<int64_t> {
    const Result<int64_t> number = part.metadata_.require<int64_t>("split.no");
    if (!number) return fail("{}: {}", path, number.error().message);
    return *number;
  };
  if (const int64_t number = TRY(number_of(*this, first)); number != 0) {
    return fail("{}: expected the first part of a split file, found part {} of {}", first,
                number + 1, count);
  }
  const std::optional<std::string> prefix = split_prefix(first, count);
  if (!prefix) {
    return fail("{}: expected a name that ends in \"{}\", since it is the first of {} parts", first,
                split_path("", 1, count), count);
  }
  for (int64_t i = 1; i < count; ++i) {
    const std::string path = split_path(*prefix, i + 1, count);
    MappedFile mapped = TRY(MappedFile::open(path));
    GgufFile part = TRY(parse(mapped.bytes(), path));
    TRY(mapped.still_whole());
    if (const int64_t number = TRY(number_of(part, path)); number != i) {
      return fail("{}: expected split.no {}, found {}", path, i, number);
    }
    const Result<int64_t> total = part.metadata_.require<int64_t>("split.count");
    if (!total) return fail("{}: {}", path, total.error().message);
    if (*total != count) return fail("{}: expected split.count {}, found {}", path, count, *total);
    for (const Tensor& tensor : part.tensors_) {
      if (!index_.emplace(tensor.name, tensors_.size()).second) {
        return fail("{}: {}: expected every tensor in one part, found it in two", path,
                    printable(tensor.name));
      }
      tensors_.push_back(tensor);
    }
    total_bytes_ += part.total_bytes_;
    files_.push_back(std::move(mapped));
  }
  const auto found = static_cast<int64_t>(tensors_.size());
  const Result<int64_t> expected = metadata_.value_or<int64_t>("split.tensors.count", found);
  if (!expected) return fail("{}: {}", first, expected.error().message);
  if (*expected != found) {
    return fail("{}: expected {} tensors in all parts, found {}", first, *expected, found);
  }
  return {};
}

}  // namespace issun::gguf
