#include "safetensors/file.h"

#include <algorithm>
#include <cstring>

#include "base/json_reader.h"
#include "base/memory.h"
#include "base/quote.h"

namespace issun::safetensors {

namespace {

constexpr uint64_t kLongestTable = 100'000'000;  // as the format's own reader has it
constexpr size_t kMostDimensions = 8;

constexpr StoredType kTypes[] = {
    {"F32", 4, DType::F32},       {"F16", 2, DType::F16},       {"BF16", 2, DType::BF16},
    {"F64", 8, DType::F64},       {"I8", 1, DType::I8},         {"I16", 2, DType::I16},
    {"I32", 4, DType::I32},       {"I64", 8, DType::I64},       {"U8", 1, std::nullopt},
    {"U16", 2, std::nullopt},     {"U32", 4, std::nullopt},     {"U64", 8, std::nullopt},
    {"BOOL", 1, std::nullopt},    {"F8_E4M3", 1, std::nullopt}, {"F8_E5M2", 1, std::nullopt},
    {"F8_E8M0", 1, std::nullopt}, {"C64", 8, std::nullopt},
};

Result<const StoredType*> type_of(std::string_view name) {
  for (const StoredType& type : kTypes) {
    if (type.name == name) return &type;
  }
  return fail("dtype: expected a known number format such as BF16, found '{}'", printable(name));
}

// An entry of the table, not yet checked against the data.
struct Entry {
  StoredTensor tensor;
  std::vector<int64_t> range;  // data_offsets: begin and end
};

Result<std::vector<int64_t>> read_counts(JsonReader& json, size_t most, std::string_view what) {
  std::vector<int64_t> counts;
  TRY(json.array([&]() -> Result<void> {
    const JsonNumber number = TRY(json.number());
    if (!number.whole || number.integer < 0) {
      return fail("{}: expected whole numbers from 0, found {}", what, number.value);
    }
    if (counts.size() == most) return fail("{}: expected at most {} numbers", what, most);
    counts.push_back(number.integer);
    return {};
  }));
  return counts;
}

Result<Entry> read_entry(JsonReader& json) {
  Entry entry;
  bool shaped = false;
  TRY(json.object([&](const std::string& key) -> Result<void> {
    if (key == "dtype") {
      entry.tensor.type = TRY(type_of(TRY(json.string())));
    } else if (key == "shape") {
      entry.tensor.shape = TRY(read_counts(json, kMostDimensions, "shape"));
      shaped = true;
    } else if (key == "data_offsets") {
      entry.range = TRY(read_counts(json, 2, "data_offsets"));
    } else {
      return json.skip();
    }
    return {};
  }));
  if (entry.tensor.type == nullptr || !shaped || entry.range.size() != 2) {
    return fail("expected dtype, shape and two data_offsets");
  }
  return entry;
}

// Fills in the tensor's data.
Result<void> place(Entry& entry, std::span<const std::byte> data) {
  const int64_t begin = entry.range[0], end = entry.range[1];
  if (begin > end || end > static_cast<int64_t>(data.size())) {
    return fail("data_offsets: expected a range in {} bytes of data, found {} to {}", data.size(),
                begin, end);
  }
  int64_t bytes = entry.tensor.type->bytes;
  for (const int64_t size : entry.tensor.shape) {
    if (!checked_mul(bytes, size, &bytes)) {
      return fail("shape: expected fewer than 2^63 bytes, found {}",
                  describe_shape(entry.tensor.shape));
    }
  }
  if (bytes != end - begin) {
    return fail("expected {} bytes for {} {}, found {}", bytes, entry.tensor.type->name,
                describe_shape(entry.tensor.shape), end - begin);
  }
  entry.tensor.data = data.subspan(static_cast<size_t>(begin), static_cast<size_t>(bytes));
  return {};
}

}  // namespace

int64_t StoredTensor::rows() const {
  int64_t rows = 1;
  for (size_t d = 0; d + 1 < shape.size(); ++d) rows *= shape[d];
  return rows;
}

std::string describe_shape(std::span<const int64_t> shape) {
  return fmt::format("({})", fmt::join(shape, ", "));
}

Result<SafetensorsFile> SafetensorsFile::open(const std::string& path) {
  SafetensorsFile file;
  file.path_ = path;
  file.file_ = TRY(MappedFile::open(path));
  TRY(file.read(file.file_.bytes()));
  TRY(file.still_whole());
  return file;
}

Result<SafetensorsFile> SafetensorsFile::parse(std::span<const std::byte> bytes,
                                               std::string_view name) {
  SafetensorsFile file;
  file.path_ = name;
  TRY(file.read(bytes));
  return file;
}

Result<void> SafetensorsFile::read(std::span<const std::byte> bytes) {
  uint64_t length = 0;
  if (bytes.size() < sizeof length) {
    return fail("{}: expected a safetensors file, found {} bytes", path_, bytes.size());
  }
  std::memcpy(&length, bytes.data(), sizeof length);
  if (length > kLongestTable || length > bytes.size() - sizeof length) {
    return fail("{}: expected a safetensors file, whose table fits it, found a table of {} bytes",
                path_, length);
  }
  const auto table = bytes.subspan(sizeof length, length);
  const Result<void> done = read_table({reinterpret_cast<const char*>(table.data()), table.size()},
                                       bytes.subspan(sizeof length + length));
  if (!done) return fail("{}: {}", path_, done.error().message);
  return {};
}

Result<void> SafetensorsFile::read_table(std::string_view table, std::span<const std::byte> data) {
  JsonReader json(table);
  std::vector<std::pair<int64_t, int64_t>> ranges;
  TRY(json.object([&](std::string& name) -> Result<void> {
    if (name == "__metadata__") {
      return json.object([&](std::string& key) -> Result<void> {
        notes_[std::move(key)] = TRY(json.string());
        return {};
      });
    }
    Result<Entry> entry = read_entry(json);
    const Result<void> placed =
        entry ? place(*entry, data) : tl::unexpected<Error>(std::move(entry.error()));
    if (!placed) return fail("{}: {}", printable(name), placed.error().message);
    const auto [at, added] = tensors_.emplace(std::move(name), std::move(entry->tensor));
    if (!added) return fail("{}: expected every tensor once, found it twice", printable(at->first));
    at->second.name = at->first;
    ranges.emplace_back(entry->range[0], entry->range[1]);
    return {};
  }));
  TRY(json.end());
  // The tensors have to fill the data exactly: no byte is read twice, none is hidden.
  std::sort(ranges.begin(), ranges.end());
  int64_t end = 0;
  for (const auto& range : ranges) {
    if (range.first != end) {
      return fail("data_offsets: expected a tensor that begins at byte {} of the data, found {}",
                  end, range.first);
    }
    end = range.second;
  }
  if (end != static_cast<int64_t>(data.size())) {
    return fail("expected {} bytes of data for its tensors, found {}", end, data.size());
  }
  return {};
}

const StoredTensor* SafetensorsFile::find(std::string_view name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

}  // namespace issun::safetensors
