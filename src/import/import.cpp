#include "import/import.h"

#include <algorithm>
#include <cstring>

#include "gguf/value.h"
#include "gguf/writer.h"
#include "import/prepared.h"
#include "import/rows.h"
#include "model/model.h"
#include "tensor/codec.h"

namespace issun::import {

namespace {

constexpr int64_t kChunkBytes = 1 << 20;

Result<std::unique_ptr<Prepared>> prepare(const std::string& source, const ImportOptions& options) {
  if (is_directory(source)) return prepare_folder(source, options);
  if (source.ends_with(".bin")) return prepare_llama2c(source, options);
  return fail("{}: expected a directory with a config.json, or a llama2.c file that ends in .bin",
              source);
}

int64_t bytes_of(const PlannedTensor& tensor, DType type) {
  int64_t values = 1;
  for (const int64_t size : tensor.size) values *= size;
  return values / facts(type).block * facts(type).bytes;
}

// general.file_type as the most used engine numbers it.
uint32_t file_type_id(DType type) {
  switch (type) {
    case DType::F32:
      return 0;
    case DType::Q8_0:
      return 7;
    case DType::BF16:
      return 32;
    case DType::MXFP4:
      return 38;
    default:
      return 1;
  }
}

class Writing {
 public:
  Writing(Prepared& prepared, const ImportOptions& options)
      : prepared_(prepared), options_(options) {}

  Result<void> plan() {
    for (const PlannedTensor& tensor : prepared_.plan.tensors) {
      types_.push_back(TRY(choose_type(tensor, options_.type)));
      total_ += bytes_of(tensor, types_.back());
    }
    return {};
  }
  int64_t total_bytes() const { return total_; }

  Result<void> write(const std::string& out) {
    gguf::GgufWriter writer = TRY(gguf::GgufWriter::create(out));
    TRY(writer.set("general.architecture", gguf::make_string(prepared_.keys.architecture())));
    TRY(writer.set("general.quantization_version", gguf::make_u32(2)));
    TRY(writer.set("general.file_type", gguf::make_u32(file_type_id(main_type()))));
    TRY(prepared_.keys.write(writer));
    const auto& tensors = prepared_.plan.tensors;
    for (size_t i = 0; i < tensors.size(); ++i) {
      TRY(writer.add_tensor(tensors[i].name, types_[i], tensors[i].size));
    }
    for (size_t i = 0; i < tensors.size(); ++i) TRY(write_tensor(tensors[i], types_[i], writer));
    TRY(prepared_.stored.still_whole());
    for (const auto& module : prepared_.modules) TRY(module.still_whole());
    TRY(prepared_.file.still_whole());
    return writer.finish();
  }

 private:
  // Of the first matrix of the layers: the file as a whole is named after it.
  DType main_type() const {
    for (size_t i = 0; i < types_.size(); ++i) {
      if (prepared_.plan.tensors[i].layer >= 0 && types_[i] != DType::F32) return types_[i];
    }
    return DType::F32;
  }

  Result<void> write_tensor(const PlannedTensor& tensor, DType type, gguf::GgufWriter& writer) {
    if (tensor.parts.empty()) return append(std::as_bytes(std::span(tensor.values)), writer);
    const RowReader rows = TRY(RowReader::create(tensor));
    const int64_t count = tensor.rows();
    if (rows.copies(type)) {
      const int64_t source_row = tensor.columns * facts(type).bytes;
      const int64_t at_once = std::max<int64_t>(1, kChunkBytes / std::max<int64_t>(source_row, 1));
      for (int64_t r = 0; r < count;) {
        const auto bytes = rows.bytes(r, std::min(at_once, count - r));
        TRY(append(bytes, writer));
        r += static_cast<int64_t>(bytes.size()) / source_row;
      }
      return {};
    }
    return encode_rows(tensor, type, rows, writer);
  }

  Result<void> encode_rows(const PlannedTensor& tensor, DType type, const RowReader& rows,
                           gguf::GgufWriter& writer) {
    const auto row = static_cast<size_t>(row_bytes(type, tensor.columns));
    const int64_t count = tensor.rows();
    const auto at_once = std::max<int64_t>(1, kChunkBytes / static_cast<int64_t>(row));
    const bool packs = rows.packs(type);
    std::vector<float> values(static_cast<size_t>(tensor.columns));
    std::vector<std::byte> encoded;
    for (int64_t first = 0; first < count; first += at_once) {
      const int64_t end = std::min(count, first + at_once);
      encoded.resize(static_cast<size_t>(end - first) * row);
      std::span<std::byte> left = encoded;
      for (int64_t r = first; r < end; ++r, left = left.subspan(row)) {
        if (packs) {
          rows.pack(r, left.first(row));
        } else {
          rows.read(r, values);
          encode_row(type, values.data(), tensor.columns, left.data());
        }
      }
      TRY(append(encoded, writer));
    }
    return {};
  }

  Result<void> append(std::span<const std::byte> bytes, gguf::GgufWriter& writer) {
    TRY(writer.append(bytes));
    done_ += static_cast<int64_t>(bytes.size());
    if (options_.progress) options_.progress(done_, total_);
    return {};
  }

  Prepared& prepared_;
  const ImportOptions& options_;
  std::vector<DType> types_;
  int64_t total_ = 0, done_ = 0;
};

}  // namespace

bool is_importable(const std::string& path) {
  if (is_directory(path)) return is_file(path + "/config.json");
  if (!path.ends_with(".bin") || !is_file(path)) return false;
  const auto file = MappedFile::open(path);
  const auto bytes = file ? file->bytes() : std::span<const std::byte>();
  return bytes.size() < 4 || std::memcmp(bytes.data(), "GGUF", 4) != 0;
}

Result<int64_t> imported_bytes(const std::string& source, const ImportOptions& options) {
  const auto prepared = TRY(prepare(source, options));
  Writing writing(*prepared, options);
  TRY(writing.plan());
  return writing.total_bytes();
}

Result<ImportReport> import_model(const std::string& source, const std::string& out,
                                  const ImportOptions& options) {
  const auto prepared = TRY(prepare(source, options));
  Writing writing(*prepared, options);
  TRY(writing.plan());
  TRY(writing.write(out));
  ImportReport report;
  report.architecture = prepared->keys.architecture();
  report.tensors = static_cast<int>(prepared->plan.tensors.size());
  report.weight_bytes = writing.total_bytes();
  report.notes = std::move(prepared->notes);
  if (prepared->plan.left_out > 0) {
    report.notes.push_back(
        fmt::format("{} tensors for pictures or sound were left out", prepared->plan.left_out));
  }
  if (prepared->plan.ahead > 0) {
    report.notes.push_back(
        fmt::format("{} tensors that guess further tokens were left out", prepared->plan.ahead));
  }
  const auto opened = model::Model::open(out);
  if (!opened) {
    report.notes.push_back(
        fmt::format("written, but this version cannot run it: {}", opened.error().message));
  }
  return report;
}

}  // namespace issun::import
