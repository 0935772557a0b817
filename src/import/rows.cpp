#include "import/rows.h"

#include <algorithm>
#include <cmath>

namespace issun::import {

namespace {

// Tensors that every engine keeps in F32, whatever the file as a whole is.
bool stays_float(const PlannedTensor& tensor) {
  if (tensor.size.size() == 1 || !std::string_view(tensor.name).ends_with(".weight")) return true;
  constexpr std::string_view kKept[] = {
      "_norm.weight",         "ffn_gate_inp.weight", "ffn_gate_inp_shexp.weight",
      "position_embd.weight", "token_types.weight",  "conv1d.weight",
      "shortconv.conv.weight"};
  return std::any_of(std::begin(kKept), std::end(kKept), [&](std::string_view ending) {
    return std::string_view(tensor.name).ends_with(ending);
  });
}

}  // namespace

Result<DType> choose_type(const PlannedTensor& tensor, std::optional<DType> wanted) {
  if (tensor.parts.empty()) return DType::F32;
  const DType stored = TRY(tensor.parts[0].stored.type());
  if (stays_float(tensor)) return DType::F32;
  const DType type = wanted ? *wanted : stored == DType::F64 ? DType::F32 : stored;
  return tensor.size[0] % facts(type).block == 0 ? type : DType::F16;
}

Result<RowReader> RowReader::create(const PlannedTensor& tensor) {
  TRY(choose_type(tensor, std::nullopt));
  RowReader reader(tensor);
  int64_t end = 0;
  for (const Part& part : tensor.parts) reader.ends_.push_back(end += part.rows);
  return reader;
}

// Where a row stands that has another place in the file.
int64_t RowReader::turned(int64_t r) const {
  const Tiling& tiling = tensor_->tiling;
  if (tiling.groups > 0 && r >= tiling.first) {
    const int64_t head = (r - tiling.first) / tiling.width % (tiling.groups * tiling.each);
    const int64_t stored = head % tiling.groups * tiling.each + head / tiling.groups;
    return r + (stored - head) * tiling.width;
  }
  if (tensor_->heads == 0) return r;
  // Rows of a head are stored as two halves, and rotate as neighbours in the file.
  const int64_t width = tensor_->rows() / tensor_->heads;
  const int64_t head = r / width, within = r % width;
  return head * width + (within % 2) * (width / 2) + within / 2;
}

RowReader::Place RowReader::place(int64_t r) const {
  r = turned(r);
  const auto at = std::upper_bound(ends_.begin(), ends_.end(), r) - ends_.begin();
  const Part& part = tensor_->parts[static_cast<size_t>(at)];
  const int64_t within = r - (ends_[static_cast<size_t>(at)] - part.rows);
  return {&part, part.first_row + within * part.step, within};
}

bool RowReader::copies(DType type) const {
  const bool kept = tensor_->heads == 0 && tensor_->tiling.groups == 0 &&
                    tensor_->change != Change::Transposed && tensor_->change != Change::PlusOne &&
                    tensor_->change != Change::MinusExpOfLog;
  return kept && !tensor_->parts.empty() &&
         std::all_of(tensor_->parts.begin(), tensor_->parts.end(), [&](const Part& part) {
           return part.stored.scales == nullptr && part.stored.codes->type->type == type &&
                  part.factor == 1;
         });
}

bool RowReader::packs(DType type) const {
  return type == DType::MXFP4 && tensor_->parts[0].stored.scales != nullptr &&
         *tensor_->parts[0].stored.type() == DType::MXFP4;
}

void RowReader::pack(int64_t r, std::span<std::byte> out) const {
  const Place place = this->place(r);
  place.part->stored.pack(place.row, out);
}

std::span<const std::byte> RowReader::bytes(int64_t first, int64_t count) const {
  const Place place = this->place(first);
  const StoredTensor& stored = *place.part->stored.codes;
  const int64_t left = place.part->step == 1 ? place.part->rows - place.within : 1;
  const int64_t row_bytes = tensor_->columns * stored.type->bytes;
  return stored.data.subspan(static_cast<size_t>(place.row * row_bytes),
                             static_cast<size_t>(std::min(count, left) * row_bytes));
}

void RowReader::read(int64_t r, std::span<float> out) const {
  out = out.first(static_cast<size_t>(tensor_->columns));
  if (tensor_->parts.empty()) {
    std::copy(tensor_->values.begin(), tensor_->values.end(), out.begin());
    return;
  }
  const Place place = this->place(r);
  const Part& part = *place.part;
  if (tensor_->change == Change::Transposed) {
    for (size_t i = 0; i < out.size(); ++i) {
      part.stored.read(part.first_row + static_cast<int64_t>(i), place.within, out.subspan(i, 1));
    }
    return;
  }
  // A row may be part of a stored one.
  const int64_t width = part.stored.columns(), at = place.row * tensor_->columns;
  part.stored.read(at / width, at % width, out);
  for (float& value : out) {
    if (tensor_->change == Change::PlusOne) value += 1;
    if (tensor_->change == Change::MinusExpOfLog) value = -std::exp(value);
    if (part.factor != 1) value *= part.factor;
  }
}

}  // namespace issun::import
