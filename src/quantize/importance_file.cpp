#include "quantize/importance_file.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include "base/file.h"
#include "base/quote.h"
#include "gguf/reader.h"
#include "gguf/value.h"
#include "gguf/value_writer.h"
#include "gguf/writer.h"

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

Result<ImportanceSums::Entry> read_entry(std::string_view file, std::string_view tensor,
                                         const Tensor& sums, const Tensor& counts) {
  for (const Tensor& half : {sums, counts}) {
    if (half.type != DType::F32)
      return fail("{}: {}: expected F32, found {}", file, printable(half.name), name(half.type));
  }
  const int64_t all = sums.columns() * sums.rows(), parts = counts.columns() * counts.rows();
  if (parts < 1 || all < 1 || all % parts != 0) {
    return fail("{}: {}: expected as many counts as parts, found {} counts for {} sums", file,
                printable(tensor), parts, all);
  }
  TRY(check_values(file, tensor, {sums.floats(), static_cast<size_t>(all)}));
  TRY(check_values(file, tensor, {counts.floats(), static_cast<size_t>(parts)}));
  ImportanceSums::Entry entry;
  entry.squares.assign(sums.floats(), sums.floats() + all);
  entry.counts.assign(counts.floats(), counts.floats() + parts);
  return entry;
}

Result<ImportanceSums> parse_gguf(std::span<const std::byte> bytes, std::string_view name) {
  ImportanceSums read;
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
    read.entries[std::string(*of)] = TRY(read_entry(name, *of, tensor, counts));
  }
  read.chunks =
      std::max<int64_t>(0, TRY(file.metadata().value_or<int64_t>("imatrix.chunk_count", 0)));
  read.chunk_size =
      std::max<int64_t>(0, TRY(file.metadata().value_or<int64_t>("imatrix.chunk_size", 0)));
  for (const std::string_view dataset :
       TRY(file.metadata().value_or<std::vector<std::string_view>>("imatrix.datasets", {}))) {
    read.datasets.emplace_back(dataset);
  }
  return read;
}

// A number of entries, each: the length of a name, the name, how many calls were summed, the number
// of values, the values. Then, in most files, the chunks and the name of the text.
Result<ImportanceSums> parse_older(std::span<const std::byte> bytes, std::string_view name) {
  ImportanceSums read;
  read.form = ImportanceForm::Older;
  Reader reader(bytes, name);
  const int32_t count = TRY(reader.number());
  if (count < 1) return fail("{}: expected an importance matrix, found {} entries", name, count);
  for (int32_t i = 0; i < count; ++i) {
    const std::string tensor = TRY(reader.text(TRY(reader.number())));
    const int32_t calls = TRY(reader.number());
    const std::vector<float> values = TRY(reader.floats(TRY(reader.number())));
    TRY(check_values(name, tensor, values));
    ImportanceSums::Entry entry;
    entry.squares.assign(values.begin(), values.end());
    entry.counts = {static_cast<double>(std::max(1, calls))};
    if (!read.entries.emplace(tensor, std::move(entry)).second)
      return fail("{}: {}: expected every tensor once", name, printable(tensor));
  }
  if (reader.at_end()) return read;
  read.chunks = std::max(0, TRY(reader.number()));
  if (reader.at_end()) return read;
  read.datasets.push_back(TRY(reader.text(TRY(reader.number()))));
  return read;
}

std::vector<float> to_floats(const std::vector<double>& numbers) {
  std::vector<float> floats(numbers.size());
  std::transform(numbers.begin(), numbers.end(), floats.begin(),
                 [](double number) { return static_cast<float>(number); });
  return floats;
}

Result<void> write_gguf(const ImportanceSums& sums, const std::string& path) {
  gguf::GgufWriter writer = TRY(gguf::GgufWriter::create(path));
  TRY(writer.set("general.type", gguf::make_string("imatrix")));
  TRY(writer.set("imatrix.datasets",
                 gguf::make_strings({sums.datasets.begin(), sums.datasets.end()})));
  TRY(writer.set("imatrix.chunk_count", gguf::make_u32(static_cast<uint32_t>(sums.chunks))));
  TRY(writer.set("imatrix.chunk_size", gguf::make_u32(static_cast<uint32_t>(sums.chunk_size))));
  for (const auto& [name, entry] : sums.entries) {
    TRY(writer.add_tensor(name + std::string(kSums), DType::F32,
                          std::array{entry.columns(), entry.parts()}));
    TRY(writer.add_tensor(name + std::string(kCounts), DType::F32,
                          std::array{int64_t{1}, entry.parts()}));
  }
  for (const auto& [name, entry] : sums.entries) {
    for (const std::vector<double>* half : {&entry.squares, &entry.counts}) {
      const std::vector<float> floats = to_floats(*half);
      TRY(writer.append(std::as_bytes(std::span(floats))));
    }
  }
  return writer.finish();
}

Result<void> write_older(const ImportanceSums& sums, const std::string& path) {
  std::string bytes;
  const auto number = [&](int64_t value) {
    gguf::append_number(static_cast<int32_t>(value), &bytes);
  };
  const auto text = [&](const std::string& value) {
    number(static_cast<int64_t>(value.size()));
    bytes += value;
  };
  number(static_cast<int64_t>(sums.entries.size()));
  for (const auto& [name, entry] : sums.entries) {
    const double most = *std::max_element(entry.counts.begin(), entry.counts.end());
    const double window = static_cast<double>(std::max<int64_t>(1, sums.chunk_size));
    const double calls = std::max(1.0, std::ceil(most / window));
    text(name);
    number(static_cast<int64_t>(calls));
    number(static_cast<int64_t>(entry.squares.size()));
    for (size_t i = 0; i < entry.squares.size(); ++i) {
      const double count = entry.counts[i / static_cast<size_t>(entry.columns())];
      const double mean = count > 0 ? entry.squares[i] / count : 1;
      gguf::append_number(static_cast<float>(mean * calls), &bytes);
    }
  }
  number(sums.chunks);
  text(sums.datasets.empty() ? "" : sums.datasets.back());
  return write_atomically(path, bytes);
}

}  // namespace

int64_t ImportanceSums::Entry::unmet() const { return std::count(counts.begin(), counts.end(), 0); }

Result<ImportanceSums> ImportanceSums::open(const std::string& path) {
  const MappedFile file = TRY(MappedFile::open(path));
  ImportanceSums sums = TRY(parse(file.bytes(), path));
  TRY(file.still_whole());
  return sums;
}

Result<ImportanceSums> ImportanceSums::parse(std::span<const std::byte> bytes,
                                             std::string_view name) {
  const bool is_gguf = bytes.size() >= 4 && std::memcmp(bytes.data(), "GGUF", 4) == 0;
  ImportanceSums read = TRY(is_gguf ? parse_gguf(bytes, name) : parse_older(bytes, name));
  if (read.entries.empty())
    return fail("{}: expected an importance matrix, found no entries of one", name);
  return read;
}

void ImportanceSums::count_rows(int64_t window) {
  if (form == ImportanceForm::Gguf) return;
  if (chunk_size == 0) chunk_size = window;
  const double rows = static_cast<double>(std::max<int64_t>(1, chunk_size));
  for (auto& [name, entry] : entries) {
    for (std::vector<double>* half : {&entry.squares, &entry.counts}) {
      for (double& number : *half) number *= rows;
    }
  }
  form = ImportanceForm::Gguf;
}

Result<void> ImportanceSums::add(const ImportanceSums& more) {
  for (const auto& [name, entry] : more.entries) {
    auto [found, is_new] = entries.try_emplace(name, entry);
    if (is_new) continue;
    Entry& sum = found->second;
    if (sum.squares.size() != entry.squares.size()) {
      return fail("{}: expected {} sums of squares in all files, found {}", printable(name),
                  sum.squares.size(), entry.squares.size());
    }
    // One count for all parts, as the older form has it, is that of each.
    const size_t parts = std::max(sum.counts.size(), entry.counts.size());
    if (parts % sum.counts.size() != 0 || parts % entry.counts.size() != 0) {
      return fail("{}: expected {} parts in all files, found {}", printable(name),
                  sum.counts.size(), entry.counts.size());
    }
    const std::vector<double> before = sum.counts;
    sum.counts.resize(parts);
    for (size_t p = 0; p < parts; ++p)
      sum.counts[p] = before[p % before.size()] + entry.counts[p % entry.counts.size()];
    for (size_t i = 0; i < sum.squares.size(); ++i) sum.squares[i] += entry.squares[i];
  }
  for (const std::string& dataset : more.datasets) {
    if (std::find(datasets.begin(), datasets.end(), dataset) == datasets.end())
      datasets.push_back(dataset);
  }
  chunks += more.chunks;
  if (chunk_size == 0) chunk_size = more.chunk_size;
  return {};
}

Result<void> write_importance(const ImportanceSums& sums, ImportanceForm form,
                              const std::string& path) {
  CHECK_THAT(sums.form == ImportanceForm::Gguf);
  if (sums.entries.empty()) return fail("{}: expected sums of some matrix, found none", path);
  for (const auto& [name, entry] : sums.entries) {
    for (size_t i = 0; i < entry.squares.size(); ++i) {
      if (entry.squares[i] <= 3.4e38) continue;
      return fail("{}: expected finite activations, found {} as the sum of squares of column {}",
                  printable(name), entry.squares[i], i % static_cast<size_t>(entry.columns()));
    }
  }
  return form == ImportanceForm::Gguf ? write_gguf(sums, path) : write_older(sums, path);
}

}  // namespace issun::quantize
