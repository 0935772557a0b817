#include "quantize/importance.h"

#include "base/quote.h"
#include "gguf/expert_names.h"

namespace issun::quantize {

namespace {

// The mean squares of one tensor out of its sums and how often each part was met.
Result<Importance::Entry> mean(std::string_view file, std::string_view tensor,
                               const ImportanceSums::Entry& sums) {
  Importance::Entry entry;
  entry.parts = sums.parts();
  entry.unmet = sums.unmet();
  entry.values.resize(sums.squares.size());
  const auto columns = static_cast<size_t>(sums.columns());
  for (size_t i = 0; i < sums.squares.size(); ++i) {
    const double count = sums.counts[i / columns];
    const auto value = count > 0 ? static_cast<float>(sums.squares[i] / count) : 1.0f;
    if (!(value <= 3.4e38f)) {
      return fail("{}: {}: expected importances of 0 or more, found {} at place {}", file,
                  printable(tensor), value, i);
    }
    entry.values[i] = value;
  }
  return entry;
}

}  // namespace

Result<Importance> Importance::open(const std::string& path) {
  return means(TRY(ImportanceSums::open(path)), path);
}

Result<Importance> Importance::parse(std::span<const std::byte> bytes, std::string_view name) {
  return means(TRY(ImportanceSums::parse(bytes, name)), name);
}

Result<Importance> Importance::means(const ImportanceSums& sums, std::string_view name) {
  Importance importance;
  for (const auto& [tensor, entry] : sums.entries)
    importance.entries_[tensor] = TRY(mean(name, tensor, entry));
  importance.datasets_ = sums.datasets;
  importance.chunks_ = sums.chunks;
  return importance;
}

const Importance::Entry* Importance::find(std::string_view tensor) const {
  const auto found = entries_.find(tensor);
  return found == entries_.end() ? nullptr : &found->second;
}

bool Importance::says_of(std::string_view tensor) const {
  return find(tensor) != nullptr || find(gguf::name_in_stack(tensor)) != nullptr;
}

Result<ColumnWeights> Importance::columns_of(const Tensor& matrix) const {
  const int64_t columns = matrix.columns();
  ColumnWeights weights;
  weights.entry = find(matrix.name);
  const bool own = weights.entry != nullptr;
  if (!own) weights.entry = find(gguf::name_in_stack(matrix.name));
  if (weights.entry == nullptr) return weights;
  weights.values = weights.entry->values.data();
  const auto found = static_cast<int64_t>(weights.entry->values.size());
  if (found == columns) return weights;
  const int64_t expert = own ? 0 : gguf::expert_name(matrix.name)->expert;
  if (own && found == columns * matrix.size[2]) {
    weights.parts = matrix.size[2];
  } else if (!own && found % columns == 0 && expert < found / columns) {
    weights.values += expert * columns;
  } else if (own) {
    return fail("{}: expected importance of {} columns for each of {} matrices, found {} numbers",
                printable(matrix.name), columns, matrix.size[2], found);
  } else {
    return fail(
        "{}: expected importance of {} columns for each of more than {} experts, found {} "
        "numbers for their stack",
        printable(matrix.name), columns, expert, found);
  }
  return weights;
}

}  // namespace issun::quantize
