#include "quantize/importance_gatherer.h"

#include <algorithm>

#include "gguf/expert_names.h"

namespace issun::quantize {

ImportanceGatherer::ImportanceGatherer(std::span<const Tensor> tensors, bool with_output) {
  for (const Tensor& tensor : tensors) {
    const bool output = tensor.name == "output.weight" || tensor.name == "token_embd.weight";
    if (!tensor.name.starts_with("blk.") && !(output && with_output)) continue;
    const auto name = gguf::expert_name(tensor.name);
    const bool alone = name && name->expert != gguf::ExpertName::kAll;
    std::vector<const std::byte*>& parts = tensors_[gguf::name_in_stack(tensor.name)].parts;
    const int64_t first = alone ? name->expert : 0, count = tensor.size[2] * tensor.size[3];
    parts.resize(std::max(parts.size(), static_cast<size_t>(first + count)));
    for (int64_t i = 0; i < count; ++i)
      parts[static_cast<size_t>(first + i)] = tensor.data + i * (tensor.bytes() / count);
  }
}

void ImportanceGatherer::see(const Tensor& weights, int expert, const Matrix<const float>& rows) {
  const auto found = tensors_.find(gguf::name_in_stack(weights.name));
  if (found == tensors_.end()) return;
  Seen& seen = found->second;
  const auto parts = std::ssize(seen.parts);
  const int64_t part = parts > 1 ? expert : 0;
  if (part < 0) return;  // a stack of another kind, whose matrices are not told apart
  // Of slices (queries, keys and values in one tensor), the one where the matrix begins.
  if (weights.data != seen.parts[static_cast<size_t>(part)]) return;
  if (seen.sums.counts.empty()) {
    seen.sums.counts.resize(static_cast<size_t>(parts));
    seen.sums.squares.resize(static_cast<size_t>(parts * rows.columns));
  }
  seen.sums.counts[static_cast<size_t>(part)] += static_cast<double>(rows.rows);
  double* squares = seen.sums.squares.data() + part * rows.columns;
  for (int64_t r = 0; r < rows.rows; ++r) {
    const float* row = rows.row(r);
    for (int64_t c = 0; c < rows.columns; ++c) {
      const double x = row[c];
      squares[c] += x * x;
    }
  }
}

ImportanceSums ImportanceGatherer::sums() const {
  ImportanceSums sums;
  for (const auto& [name, seen] : tensors_) {
    if (!seen.sums.counts.empty()) sums.entries.emplace(name, seen.sums);
  }
  return sums;
}

}  // namespace issun::quantize
