#include "gguf/writer.h"

#include <algorithm>
#include <utility>

#include "base/memory.h"
#include "base/quote.h"
#include "gguf/value_writer.h"

namespace issun::gguf {

namespace {

// Small pieces are gathered, so that a tensor written row by row does not cost a system call a row.
constexpr size_t kGathered = 1 << 20;

}  // namespace

GgufWriter::GgufWriter(std::string path, AtomicFile file, int64_t alignment)
    : path_(std::move(path)), file_(std::move(file)), alignment_(alignment) {}

std::span<const int64_t> without_trailing_ones(const std::array<int64_t, 4>& size) {
  size_t dimensions = size.size();
  while (dimensions > 1 && size[dimensions - 1] == 1) --dimensions;
  return std::span(size).first(dimensions);
}

Result<GgufWriter> GgufWriter::create(const std::string& path, int64_t alignment) {
  if (const Result<void> sound = check_alignment(alignment); !sound) {
    return fail("{}: {}", path, sound.error().message);
  }
  return GgufWriter(path, TRY(AtomicFile::create(path)), alignment);
}

Result<void> GgufWriter::check_kept() const {
  if (file_.unfinished()) return {};
  return fail(
      "{}: expected a file still being written, found it finished or given up after an error",
      path_);
}

Result<void> GgufWriter::check_open(std::string_view what) const {
  TRY(check_kept());
  if (!data_begun_) return {};
  return fail("{}: expected {} before the first tensor data", path_, what);
}

Result<void> GgufWriter::set(std::string_view key, const Value& value) {
  TRY(check_open("keys"));
  if (key.empty() || key.size() > kLongestKey) {
    return fail("{}: expected a key of 1 to {} bytes, found {}", path_, kLongestKey, key.size());
  }
  if (key == kAlignmentKey) return fail("{}: {} is set by its writer", path_, kAlignmentKey);
  std::string bytes;
  append_string(key, &bytes);
  if (const Result<void> appended = append_value(value, &bytes); !appended) {
    return fail("{}: {}: {}", path_, printable(key), appended.error().message);
  }
  if (!keys_.emplace(key).second) {
    return fail("{}: {}: expected every key once, set it twice", path_, printable(key));
  }
  metadata_bytes_ += bytes;
  return {};
}

Result<void> GgufWriter::copy(const Metadata& metadata) {
  for (const Metadata::Entry& entry : metadata.entries()) {
    if (entry.key == kAlignmentKey || entry.key.starts_with("split.") || keys_.contains(entry.key))
      continue;
    TRY(set(entry.key, entry.value));
  }
  return {};
}

Result<void> GgufWriter::add_tensor(std::string_view name, DType type,
                                    std::span<const int64_t> size) {
  TRY(check_open("tensors"));
  if (name.empty() || name.size() > kLongestTensorName) {
    return fail("{}: {}: expected a tensor name of 1 to {} bytes, found {}", path_, printable(name),
                kLongestTensorName, name.size());
  }
  std::array<int64_t, 4> padded{1, 1, 1, 1};
  if (size.empty() || size.size() > padded.size()) {
    return fail("{}: {}: expected 1 to {} dimensions, found {}", path_, printable(name),
                padded.size(), size.size());
  }
  std::copy(size.begin(), size.end(), padded.begin());
  const Result<int64_t> bytes = extent_bytes(facts(type), padded);
  if (!bytes) return fail("{}: {}: {}", path_, printable(name), bytes.error().message);
  int64_t end = 0;
  if (!checked_add(planned_bytes_, *bytes, &end) || !checked_add(end, alignment_, &end)) {
    return fail("{}: {}: expected fewer than 2^63 bytes in all tensors", path_, printable(name));
  }
  if (!names_.emplace(name).second) {
    return fail("{}: {}: expected every tensor once, added it twice", path_, printable(name));
  }
  append_string(name, &table_bytes_);
  append_number(static_cast<uint32_t>(size.size()), &table_bytes_);
  for (const int64_t one : size) append_number(one, &table_bytes_);
  append_number(static_cast<int32_t>(type), &table_bytes_);
  append_number(planned_bytes_, &table_bytes_);
  tensors_.push_back({std::string(name), *bytes});
  planned_bytes_ = round_up(planned_bytes_ + *bytes, alignment_);
  return {};
}

Result<void> GgufWriter::begin_data() {
  if (data_begun_) return {};
  if (alignment_ != kDefaultAlignment) {
    const Value value{.type = ValueType::U32, .data = static_cast<uint64_t>(alignment_)};
    append_string(kAlignmentKey, &metadata_bytes_);
    TRY(append_value(value, &metadata_bytes_));
    keys_.emplace(kAlignmentKey);
  }
  data_begun_ = true;
  std::string header = "GGUF";
  append_number(uint32_t{3}, &header);
  append_number(uint64_t{tensors_.size()}, &header);
  append_number(uint64_t{keys_.size()}, &header);
  TRY(write(header));
  TRY(write(metadata_bytes_));
  TRY(write(table_bytes_));
  return pad();
}

int64_t GgufWriter::missing_bytes() const {
  return current_ < tensors_.size() ? tensors_[current_].bytes - current_bytes_ : 0;
}

Result<void> GgufWriter::append(std::span<const std::byte> bytes) {
  TRY(check_kept());
  const Result<void> appended = append_to_current(bytes);
  if (!appended) file_.discard();
  return appended;
}

Result<void> GgufWriter::append_to_current(std::span<const std::byte> bytes) {
  TRY(begin_data());
  const int64_t missing = missing_bytes();
  if (static_cast<int64_t>(bytes.size()) > missing) {
    const std::string last =
        tensors_.empty() ? "no tensor"
                         : printable(tensors_[std::min(current_, tensors_.size() - 1)].name);
    return fail("{}: {}: expected at most {} more bytes, found {}", path_, last, missing,
                bytes.size());
  }
  if (bytes.empty()) return {};
  TRY(write({reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
  current_bytes_ += static_cast<int64_t>(bytes.size());
  if (current_bytes_ < tensors_[current_].bytes) return {};
  ++current_;
  current_bytes_ = 0;
  return pad();
}

Result<void> GgufWriter::finish() {
  TRY(check_kept());
  const Result<void> finished = finish_all();
  file_.discard();
  return finished;
}

Result<void> GgufWriter::finish_all() {
  TRY(begin_data());
  if (missing_bytes() > 0) {
    return fail("{}: {}: expected {} more bytes", path_, printable(tensors_[current_].name),
                missing_bytes());
  }
  TRY(flush());
  return file_.finish();
}

Result<void> GgufWriter::write(std::string_view bytes) {
  written_ += static_cast<int64_t>(bytes.size());
  if (buffer_.size() + bytes.size() <= kGathered) {
    buffer_ += bytes;
    return {};
  }
  TRY(flush());
  return file_.write(bytes);
}

Result<void> GgufWriter::flush() {
  const Result<void> flushed = file_.write(std::string_view(buffer_));
  buffer_.clear();
  return flushed;
}

Result<void> GgufWriter::pad() {
  return write(std::string(static_cast<size_t>(round_up(written_, alignment_) - written_), '\0'));
}

}  // namespace issun::gguf
