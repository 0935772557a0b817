#include "quantize/importance.h"

#include <cmath>
#include <cstring>
#include <optional>

#include "base/file.h"
#include "base/quote.h"
#include "gguf/reader.h"

namespace issun::quantize {

namespace {

constexpr std::string_view kSums = ".in_sum2", kCounts = ".counts";

// Reads the older form from front to back.
class Reader {
 public:
  Reader(std::span<const std::byte> bytes, std::string_view name) : bytes_(bytes), name_(name) {}

  bool at_end() const { return at_ == bytes_.size(); }
  size_t left() const { return bytes_.size() - at_; }

  Result<int32_t> number() {
    int32_t value = 0;
    TRY(take(&value, 4));
    return value;
  }
  Result<std::string> text(int32_t length) {
    if (length < 0 || static_cast<size_t>(length) > left()) return cut_short();
    std::string value(static_cast<size_t>(length), 0);
    TRY(take(value.data(), value.size()));
    return value;
  }
  Result<std::vector<float>> floats(int32_t count) {
    if (count < 1 || static_cast<size_t>(count) > left() / 4) return cut_short();
    std::vector<float> values(static_cast<size_t>(count));
    TRY(take(values.data(), values.size() * 4));
    return values;
  }

 private:
  Result<void> take(void* out, size_t count) {
    if (count > left()) return cut_short();
    std::memcpy(out, bytes_.data() + at_, count);
    at_ += count;
    return {};
  }
  tl::unexpected<Error> cut_short() const {
    return fail("{}: expected an importance matrix, found a file that breaks off at byte {}", name_,
                at_);
  }

  std::span<const std::byte> bytes_;
  std::string_view name_;
  size_t at_ = 0;
};

Result<void> check_values(std::string_view file, std::string_view tensor,
                          std::span<const float> values) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] >= 0 && values[i] <= 3.4e38f) continue;
    return fail("{}: {}: expected importances of 0 or more, found {} at place {}", file,
                printable(tensor), values[i], i);
  }
  return {};
}

std::optional<std::string_view> without(std::string_view name, std::string_view end) {
  if (name.size() <= end.size() || !name.ends_with(end)) return std::nullopt;
  return name.substr(0, name.size() - end.size());
}

// The mean squares of one tensor out of its sums and how often each part was met.
Result<Importance::Entry> means(std::string_view file, std::string_view tensor, const Tensor& sums,
                                const Tensor& counts) {
  for (const Tensor& half : {sums, counts}) {
    if (half.type != DType::F32)
      return fail("{}: {}: expected F32, found {}", file, printable(half.name), name(half.type));
  }
  const int64_t all = sums.columns() * sums.rows(), parts = counts.columns() * counts.rows();
  if (parts < 1 || all % parts != 0) {
    return fail("{}: {}: expected as many counts as parts, found {} counts for {} sums", file,
                printable(tensor), parts, all);
  }
  Importance::Entry entry;
  entry.parts = parts;
  entry.values.assign(sums.floats(), sums.floats() + all);
  TRY(check_values(file, tensor, entry.values));
  TRY(check_values(file, tensor, {counts.floats(), static_cast<size_t>(parts)}));
  const int64_t columns = all / parts;
  for (int64_t p = 0; p < parts; ++p) {
    const float count = counts.floats()[p];
    entry.unmet += count > 0 ? 0 : 1;
    for (int64_t c = 0; c < columns; ++c) {
      float& value = entry.values[static_cast<size_t>(p * columns + c)];
      value = count > 0 ? value / count : 1;
    }
  }
  TRY(check_values(file, tensor, entry.values));
  return entry;
}

}  // namespace

Result<Importance> Importance::open(const std::string& path) {
  const MappedFile file = TRY(MappedFile::open(path));
  Importance importance = TRY(parse(file.bytes(), path));
  TRY(file.still_whole());
  return importance;
}

Result<Importance> Importance::parse(std::span<const std::byte> bytes, std::string_view name) {
  Importance importance;
  if (bytes.size() >= 4 && std::memcmp(bytes.data(), "GGUF", 4) == 0) {
    TRY(importance.parse_gguf(bytes, name));
  } else {
    TRY(importance.parse_older(bytes, name));
  }
  if (importance.entries_.empty()) {
    return fail("{}: expected an importance matrix, found no entries of one", name);
  }
  return importance;
}

const Importance::Entry* Importance::find(std::string_view tensor) const {
  const auto found = entries_.find(tensor);
  return found == entries_.end() ? nullptr : &found->second;
}

Result<void> Importance::parse_gguf(std::span<const std::byte> bytes, std::string_view name) {
  const gguf::GgufFile file = TRY(gguf::GgufFile::parse(bytes, name));
  for (const Tensor& tensor : file.tensors()) {
    const auto of = without(tensor.name, kSums);
    if (!of) {
      const auto counted = without(tensor.name, kCounts);
      if (counted && !file.find(std::string(*counted) + std::string(kSums)))
        return fail("{}: {}: expected sums beside the counts", name, printable(*counted));
      continue;
    }
    const Tensor counts = file.find(std::string(*of) + std::string(kCounts));
    if (!counts) return fail("{}: {}: expected counts beside the sums", name, printable(*of));
    entries_[std::string(*of)] = TRY(means(name, *of, tensor, counts));
  }
  chunks_ = TRY(file.metadata().value_or<int64_t>("imatrix.chunk_count", 0));
  for (const std::string_view dataset :
       TRY(file.metadata().value_or<std::vector<std::string_view>>("imatrix.datasets", {}))) {
    datasets_.emplace_back(dataset);
  }
  return {};
}

// A number of entries, each: the length of a name, the name, how many calls were summed, the number
// of values, the values. Then, in most files, the chunks and the name of the text.
Result<void> Importance::parse_older(std::span<const std::byte> bytes, std::string_view name) {
  Reader reader(bytes, name);
  const int32_t count = TRY(reader.number());
  if (count < 1) return fail("{}: expected an importance matrix, found {} entries", name, count);
  for (int32_t i = 0; i < count; ++i) {
    const std::string tensor = TRY(reader.text(TRY(reader.number())));
    const int32_t calls = TRY(reader.number());
    Entry entry;
    entry.values = TRY(reader.floats(TRY(reader.number())));
    TRY(check_values(name, tensor, entry.values));
    if (calls > 0) {
      for (float& value : entry.values) value /= static_cast<float>(calls);
    }
    if (!entries_.emplace(tensor, std::move(entry)).second)
      return fail("{}: {}: expected every tensor once", name, printable(tensor));
  }
  if (reader.at_end()) return {};
  chunks_ = std::max(0, TRY(reader.number()));
  if (reader.at_end()) return {};
  datasets_.push_back(TRY(reader.text(TRY(reader.number()))));
  return {};
}

}  // namespace issun::quantize
