#include "gguf/reader.h"

#include <algorithm>
#include <utility>

#include "base/memory.h"
#include "base/quote.h"
#include "gguf/cursor.h"
#include "gguf/limits.h"
#include "gguf/value_reader.h"

namespace issun::gguf {

namespace {

// Name length, name, type, value.
constexpr uint64_t kLeastEntryBytes = 8 + 1 + 4 + 1;
// Name length, name, dimensions, type, offset.
constexpr uint64_t kLeastTensorBytes = 8 + 1 + 4 + 4 + 8;

}  // namespace

// One file, or one part of a split one, from its first byte to the extent of its last tensor.
class Parser {
 public:
  Parser(std::span<const std::byte> bytes, std::string_view name, GgufFile* file)
      : bytes_(bytes), name_(name), cursor_(bytes), file_(*file) {}

  Result<void> run() {
    file_.total_bytes_ = static_cast<int64_t>(bytes_.size());
    TRY(read_header());
    TRY(read_metadata());
    TRY(read_alignment());
    TRY(read_tensors());
    return place_tensors();
  }

 private:
  template <class... Args>
  tl::unexpected<Error> wrong(fmt::format_string<Args...> format, Args&&... args) const {
    return fail("{}: {}", name_, fmt::format(format, std::forward<Args>(args)...));
  }
  tl::unexpected<Error> ends_inside(std::string_view what) const {
    return wrong("expected {}, found the end of the file after {} bytes", what, bytes_.size());
  }

  Result<void> read_header() {
    constexpr std::string_view kMagic = "GGUF";
    const std::string_view start(reinterpret_cast<const char*>(bytes_.data()),
                                 std::min(bytes_.size(), kMagic.size()));
    uint32_t magic = 0, version = 0;
    if (!cursor_.take(&magic)) return ends_inside("the magic bytes GGUF");
    if (start != kMagic) {
      return wrong("expected a GGUF file, found one that starts with \"{}\"", printable(start));
    }
    if (!cursor_.take(&version)) return ends_inside("the version");
    if (version == 1) {
      return wrong(
          "expected GGUF version 2 or 3, found version 1, which no program writes any more");
    }
    if (version != 0 && (version & 0xffff) == 0) {
      return wrong(
          "expected a little-endian file, found a big-endian one (version {} with swapped bytes)",
          __builtin_bswap32(version));
    }
    if (version != 2 && version != 3) {
      return wrong("expected GGUF version 2 or 3, found version {}", version);
    }
    file_.version_ = static_cast<int>(version);
    if (!cursor_.take(&tensor_count_)) return ends_inside("the number of tensors");
    if (!cursor_.take(&entry_count_)) return ends_inside("the number of keys");
    if (entry_count_ > cursor_.remaining() / kLeastEntryBytes) {
      return wrong("expected at most {} keys in the {} bytes left, found a count of {}",
                   cursor_.remaining() / kLeastEntryBytes, cursor_.remaining(), entry_count_);
    }
    if (tensor_count_ > cursor_.remaining() / kLeastTensorBytes) {
      return wrong("expected at most {} tensors in the {} bytes left, found a count of {}",
                   cursor_.remaining() / kLeastTensorBytes, cursor_.remaining(), tensor_count_);
    }
    return {};
  }

  Result<void> read_metadata() {
    file_.metadata_.reserve(entry_count_);
    for (uint64_t i = 0; i < entry_count_; ++i) {
      const uint64_t offset = cursor_.offset();
      std::string_view key;
      if (!cursor_.take_string(&key)) {
        return wrong("key {} of {}: expected a name that ends before the file's {} bytes do", i,
                     entry_count_, bytes_.size());
      }
      if (key.empty() || key.size() > kLongestKey) {
        return wrong("key {} of {}, at byte {}: expected a name of 1 to {} bytes, found {}", i,
                     entry_count_, offset, kLongestKey, key.size());
      }
      int32_t type = 0;
      if (!cursor_.take(&type)) return ends_inside("the type of " + printable(key));
      Result<Value> value = read_value(cursor_, type);
      if (!value) return wrong("{}: {}", printable(key), value.error().message);
      if (const Result<void> added = file_.metadata_.add(key, std::move(*value)); !added) {
        return wrong("{}", added.error().message);
      }
    }
    return {};
  }

  Result<void> read_alignment() {
    const Value* value = file_.metadata_.find(kAlignmentKey);
    if (value == nullptr) return {};
    if (value->type != ValueType::U32) {
      return wrong("{}: expected u32, found {}", kAlignmentKey, describe_type(*value));
    }
    file_.alignment_ = static_cast<int64_t>(std::get<uint64_t>(value->data));
    if (const Result<void> sound = check_alignment(file_.alignment_); !sound) {
      return wrong("{}", sound.error().message);
    }
    return {};
  }

  // The tensor table; extents are checked, data pointers wait for place_tensors().
  Result<void> read_tensors() {
    file_.tensors_.reserve(tensor_count_);
    for (uint64_t i = 0; i < tensor_count_; ++i) {
      Tensor tensor;
      if (!cursor_.take_string(&tensor.name)) {
        return wrong("tensor {} of {}: expected a name that ends before the file's {} bytes do", i,
                     tensor_count_, bytes_.size());
      }
      if (tensor.name.empty() || tensor.name.size() > kLongestTensorName) {
        return wrong("tensor {} of {} ({}): expected a name of 1 to {} bytes, found {}", i,
                     tensor_count_, printable(tensor.name), kLongestTensorName, tensor.name.size());
      }
      if (!file_.index_.emplace(tensor.name, file_.tensors_.size()).second) {
        return wrong("{}: expected every tensor once, found it twice", printable(tensor.name));
      }
      if (Result<void> read = read_extent(&tensor); !read) {
        return wrong("{}: {}", printable(tensor.name), read.error().message);
      }
      file_.tensors_.push_back(tensor);
    }
    return {};
  }

  // Dimensions, type and offset. Tensors follow each other without a gap, each padded to the
  // alignment, as every writer leaves them: so they can neither overlap nor hide anything between
  // them.
  Result<void> read_extent(Tensor* tensor) {
    uint32_t dimensions = 0;
    if (!cursor_.take(&dimensions)) {
      return fail("expected the number of dimensions, found the end of the file");
    }
    if (dimensions > tensor->size.size()) {
      return fail("expected at most {} dimensions, found {}", tensor->size.size(), dimensions);
    }
    for (uint32_t d = 0; d < dimensions; ++d) {
      int64_t size = 0;
      if (!cursor_.take(&size)) {
        return fail("expected {} sizes, found the end of the file", dimensions);
      }
      tensor->size[d] = size;
    }
    int32_t type = 0;
    uint64_t offset = 0;
    if (!cursor_.take(&type) || !cursor_.take(&offset)) {
      return fail("expected a type and an offset, found the end of the file");
    }
    const DTypeFacts format = TRY(dtype_facts(type));
    tensor->type = format.type;
    const int64_t bytes = TRY(extent_bytes(format, tensor->size));
    const auto file_bytes = static_cast<int64_t>(bytes_.size());
    if (bytes > file_bytes - data_end_) {
      return fail(
          "expected a tensor inside the file, found {} bytes at offset {} in a file of {} bytes: "
          "it is cut short, "
          "or the size is wrong",
          bytes, data_bytes_, file_bytes);
    }
    if (offset != static_cast<uint64_t>(data_bytes_)) {
      return fail("expected offset {}, right after the tensor before it, found {}", data_bytes_,
                  offset);
    }
    data_end_ = data_bytes_ + bytes;
    data_bytes_ = round_up(data_end_, file_.alignment_);
    return {};
  }

  Result<void> place_tensors() {
    if (file_.tensors_.empty()) return {};
    const int64_t begin = round_up(static_cast<int64_t>(cursor_.offset()), file_.alignment_);
    const auto size = static_cast<int64_t>(bytes_.size());
    // Both are at most little more than the file's size, so the sum cannot wrap. The last tensor's
    // padding may be missing.
    if (begin + data_end_ > size) {
      return wrong("expected {} bytes of tensors after byte {}, found {}: it is cut short",
                   data_end_, begin, std::max<int64_t>(0, size - begin));
    }
    int64_t at = begin;
    for (Tensor& tensor : file_.tensors_) {
      tensor.data = bytes_.data() + at;
      at += round_up(tensor.bytes(), file_.alignment_);
    }
    return {};
  }

  const std::span<const std::byte> bytes_;
  const std::string_view name_;
  Cursor cursor_;
  GgufFile& file_;
  uint64_t tensor_count_ = 0, entry_count_ = 0;
  int64_t data_bytes_ = 0;  // of the tensors so far, with their padding
  int64_t data_end_ = 0;    // the same without the last one's padding
};

Result<GgufFile> GgufFile::parse(std::span<const std::byte> bytes, std::string_view name) {
  CHECK_THAT(reinterpret_cast<uintptr_t>(bytes.data()) % 8 == 0);
  GgufFile file;
  TRY(Parser(bytes, name, &file).run());
  return file;
}

Result<GgufFile> GgufFile::open(const std::string& path) {
  MappedFile mapped = TRY(MappedFile::open(path));
  Result<GgufFile> parsed = parse(mapped.bytes(), path);
  TRY(mapped.still_whole());
  GgufFile file = TRY(std::move(parsed));
  file.files_.push_back(std::move(mapped));
  const Result<int64_t> count = file.metadata_.value_or<int64_t>("split.count", 1);
  if (!count) return fail("{}: {}", path, count.error().message);
  if (*count > 1) TRY(file.open_other_parts(*count));
  return file;
}

Tensor GgufFile::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? Tensor() : tensors_[found->second];
}

int64_t GgufFile::file_bytes() const { return total_bytes_; }

int64_t GgufFile::data_bytes() const {
  int64_t sum = 0;
  for (const Tensor& tensor : tensors_) sum += tensor.bytes();
  return sum;
}

Result<void> GgufFile::still_whole() const {
  for (const MappedFile& file : files_) TRY(file.still_whole());
  return {};
}

}  // namespace issun::gguf
