#include "quantize/importance_gatherer.h"

namespace issun::quantize {

ImportanceGatherer::ImportanceGatherer(std::span<const Tensor> tensors, bool with_output) {
  for (const Tensor& tensor : tensors) {
    const bool output = tensor.name == "output.weight" || tensor.name == "token_embd.weight";
    if (tensor.name.starts_with("blk.") || (output && with_output))
      tensors_.emplace(tensor.name, Seen{tensor, {}});
  }
}

void ImportanceGatherer::see(const Tensor& weights, int expert, const Matrix<const float>& rows) {
  const auto found = tensors_.find(weights.name);
  if (found == tensors_.end()) return;
  Seen& seen = found->second;
  const int64_t parts = seen.whole.size[2] * seen.whole.size[3];
  const int64_t part = parts > 1 ? expert : 0;
  if (part < 0) return;  // a stack of another kind, whose matrices are not told apart
  // Of slices (queries, keys and values in one tensor), the one where the matrix begins.
  if (weights.data != seen.whole.data + part * (seen.whole.bytes() / parts)) return;
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
