#include "train/export.h"

#include <cmath>
#include <vector>

#include "base/quote.h"
#include "gguf/value.h"
#include "gguf/writer.h"
#include "model/adapter.h"
#include "tensor/codec.h"

namespace issun::train {

namespace {

const Parameter* find(const Parameters& parameters, std::string_view name) {
  for (const Parameter& p : parameters.list()) {
    if (p.name == name) return &p;
  }
  return nullptr;
}

// general.file_type as GGUF numbers it for files whose matrices are of one type.
uint32_t file_type_of(DType type) {
  if (type == DType::F32) return 0;
  if (type == DType::F16) return 1;
  if (type == DType::Q4_0) return 2;
  if (type == DType::Q8_0) return 7;
  if (type == DType::Q4_K) return 14;
  if (type == DType::Q5_K) return 16;
  return type == DType::Q6_K ? 18 : 32;  // or BF16
}

Result<void> append(const Parameters& parameters, const Parameter& p, DType type,
                    gguf::GgufWriter& writer) {
  const std::span<const float> values = parameters.learnt_of(p);
  const size_t columns = static_cast<size_t>(p.size[0]);
  std::vector<std::byte> row(static_cast<size_t>(row_bytes(type, p.size[0])));
  for (size_t first = 0; first < values.size(); first += columns) {
    for (size_t i = first; i < first + columns; ++i) {
      if (std::isfinite(values[i])) continue;
      return fail("{}: row {}: expected numbers, found {}", printable(p.name), first / columns,
                  static_cast<double>(values[i]));
    }
    encode_row(type, values.data() + first, p.size[0], row.data());
    TRY(writer.append(row));
  }
  return {};
}

}  // namespace

Result<void> write_network(const gguf::GgufFile& source, const Parameters& parameters,
                           const NetworkFileOptions& options, const std::string& path) {
  if (!can_encode(options.type)) {
    return fail("expected a type that can be written, found {}", name(options.type));
  }
  gguf::GgufWriter writer = TRY(gguf::GgufWriter::create(path, source.alignment()));
  TRY(writer.set("general.file_type", gguf::make_u32(file_type_of(options.type))));
  if (options.chat_template) {
    TRY(writer.set("tokenizer.chat_template", gguf::make_string(*options.chat_template)));
  }
  TRY(writer.copy(source.metadata()));
  for (const Tensor& tensor : source.tensors()) {
    const Parameter* p = find(parameters, tensor.name);
    const DType written = p != nullptr ? p->stored_as(options.type) : tensor.type;
    TRY(writer.add_tensor(tensor.name, written, gguf::without_trailing_ones(tensor.size)));
  }
  for (const Tensor& tensor : source.tensors()) {
    if (const Parameter* p = find(parameters, tensor.name)) {
      TRY(append(parameters, *p, p->stored_as(options.type), writer));
    } else {
      TRY(writer.append({tensor.data, static_cast<size_t>(tensor.bytes())}));
    }
  }
  return writer.finish();
}

Result<void> write_adapters(const gguf::GgufFile& base, const Parameters& parameters, double alpha,
                            const std::string& path) {
  const auto architecture = TRY(base.metadata().require<std::string_view>("general.architecture"));
  gguf::GgufWriter writer = TRY(gguf::GgufWriter::create(path));
  TRY(model::write_adapter_keys(architecture, alpha, writer));
  for (const Parameter& p : parameters.list()) {
    TRY(writer.add_tensor(p.name, DType::F32, std::span(p.size).first(2)));
  }
  for (const Parameter& p : parameters.list()) TRY(append(parameters, p, DType::F32, writer));
  return writer.finish();
}

}  // namespace issun::train
