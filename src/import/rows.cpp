#include "import/rows.h"

#include <algorithm>

namespace issun::import {

namespace {

bool is_float(const safetensors::StoredType& type) {
  return safetensors::reads_as_floats(type) && *type.type != DType::I8;
}

// Tensors that every engine keeps in F32, whatever the file as a whole is.
bool stays_float(const PlannedTensor& tensor) {
  if (tensor.size.size() == 1 || !std::string_view(tensor.name).ends_with(".weight")) return true;
  constexpr std::string_view kKept[] = {"_norm.weight", "ffn_gate_inp.weight",
                                        "ffn_gate_inp_shexp.weight", "position_embd.weight",
                                        "token_types.weight"};
  return std::any_of(std::begin(kKept), std::end(kKept), [&](std::string_view ending) {
    return std::string_view(tensor.name).ends_with(ending);
  });
}

}  // namespace

Result<DType> choose_type(const PlannedTensor& tensor, std::optional<DType> wanted) {
  if (tensor.parts.empty()) return DType::F32;
  const safetensors::StoredType& stored = *tensor.parts[0].stored->type;
  if (!is_float(stored)) {
    return fail("{}: expected F32, F16, BF16 or F64, found {}, which cannot be imported",
                tensor.parts[0].stored->name, stored.name);
  }
  if (stays_float(tensor)) return DType::F32;
  const DType type = wanted ? *wanted : *stored.type == DType::F64 ? DType::F32 : *stored.type;
  return tensor.size[0] % facts(type).block == 0 ? type : DType::F16;
}

Result<RowReader> RowReader::create(const PlannedTensor& tensor) {
  TRY(choose_type(tensor, std::nullopt));
  RowReader reader(tensor);
  int64_t end = 0;
  for (const Part& part : tensor.parts) reader.ends_.push_back(end += part.rows);
  return reader;
}

// Rows of a head are stored as two halves, and rotate as neighbours in the file.
int64_t RowReader::turned(int64_t r) const {
  const int64_t width = tensor_->rows() / tensor_->heads;
  const int64_t head = r / width, within = r % width;
  return head * width + (within % 2) * (width / 2) + within / 2;
}

RowReader::Place RowReader::place(int64_t r) const {
  if (tensor_->heads > 0) r = turned(r);
  const auto at = std::upper_bound(ends_.begin(), ends_.end(), r) - ends_.begin();
  const Part& part = tensor_->parts[static_cast<size_t>(at)];
  return {&part, part.first_row + r - (ends_[static_cast<size_t>(at)] - part.rows)};
}

bool RowReader::copies(DType type) const {
  const bool moved = tensor_->heads > 0 || tensor_->change == Change::Transposed ||
                     tensor_->change == Change::PlusOne;
  return !moved && !tensor_->parts.empty() && tensor_->parts[0].stored->type->type == type;
}

std::span<const std::byte> RowReader::bytes(int64_t first, int64_t count) const {
  const Place place = this->place(first);
  const int64_t left = place.part->first_row + place.part->rows - place.row;
  const int64_t row_bytes = tensor_->columns * place.part->stored->type->bytes;
  return place.part->stored->data.subspan(static_cast<size_t>(place.row * row_bytes),
                                          static_cast<size_t>(std::min(count, left) * row_bytes));
}

void RowReader::read(int64_t r, std::span<float> out) const {
  if (tensor_->parts.empty()) {
    std::copy(tensor_->values.begin(), tensor_->values.end(), out.begin());
    return;
  }
  if (tensor_->change == Change::Transposed) {
    const StoredTensor& stored = *tensor_->parts[0].stored;
    const int64_t width = stored.columns();
    for (int64_t i = 0; i < tensor_->columns; ++i) {
      safetensors::read_floats(stored, i * width + r, out.subspan(static_cast<size_t>(i), 1));
    }
    return;
  }
  const Place place = this->place(r);
  const StoredTensor& stored = *place.part->stored;
  safetensors::read_floats(stored, place.row * tensor_->columns,
                           out.first(static_cast<size_t>(tensor_->columns)));
  if (tensor_->change == Change::PlusOne) {
    for (float& value : out) value += 1;
  }
}

}  // namespace issun::import
