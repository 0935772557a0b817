#include "model/binder.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace issun::model {

namespace {

Result<Tensor> check(Tensor tensor, int64_t rows, int64_t columns) {
  if (tensor.columns() != columns) {
    return fail("{}: expected {} columns, found {}", tensor.name, columns, tensor.columns());
  }
  if (tensor.rows() != rows)
    return fail("{}: expected {} rows, found {}", tensor.name, rows, tensor.rows());
  if (!facts(tensor.type).computable) {
    return fail("{}: expected a type that this version can run, found {}", tensor.name,
                name(tensor.type));
  }
  return tensor;
}

Result<Tensor> check_floats(Tensor tensor) {
  if (tensor.type != DType::F32) {
    return fail("{}: expected F32, found {}", tensor.name, name(tensor.type));
  }
  return tensor;
}

}  // namespace

Tensor Binder::find(const std::string& name) const {
  const Tensor found = file_.find(name);
  if (found) used_.insert(found.name);
  return found;
}

Result<Tensor> Binder::require(const std::string& name) const {
  const Tensor found = find(name);
  if (!found) return fail("{}: expected this tensor, found none", name);
  return found;
}

Result<Tensor> Binder::matrix(const std::string& name, int64_t rows, int64_t columns) const {
  return check(TRY(require(name)), rows, columns);
}

Result<Tensor> Binder::vector(const std::string& name, int64_t columns) const {
  return check_floats(TRY(check(TRY(require(name)), 1, columns)));
}

Result<Tensor> Binder::floats(const std::string& name, int64_t rows, int64_t columns) const {
  return check_floats(TRY(matrix(name, rows, columns)));
}

Result<Tensor> Binder::optional_vector(const std::string& name, int64_t columns) const {
  const Tensor found = find(name);
  return found ? check_floats(TRY(check(found, 1, columns))) : Result<Tensor>(found);
}

Result<Tensor> Binder::optional_table(const std::string& name, int64_t columns) const {
  const Tensor found = find(name);
  return found ? check(found, found.rows(), columns) : Result<Tensor>(found);
}

Result<Linear> Binder::linear(const std::string& prefix, int64_t rows, int64_t columns) const {
  return Linear{TRY(matrix(prefix + ".weight", rows, columns)),
                TRY(optional_vector(prefix + ".bias", rows))};
}

Result<Linear> Binder::linears(const std::string& prefix, int64_t count, int64_t rows,
                               int64_t columns) const {
  Linear all{TRY(matrix(prefix + ".weight", count * rows, columns)), find(prefix + ".bias")};
  if (all.bias) TRY(check_floats(TRY(check(all.bias, count, rows))));
  return all;
}

Result<Norm> Binder::norm(const std::string& prefix, int64_t columns) const {
  return Norm{TRY(vector(has(prefix) ? prefix : prefix + ".weight", columns)),
              TRY(optional_vector(prefix + ".bias", columns))};
}

Result<void> Binder::all_used(const ModelConfig& config) const {
  std::vector<std::string> unused;
  for (int i = 0; i < config.unused_layers; ++i) {
    unused.push_back(fmt::format("blk.{}.", config.layers.size() + static_cast<size_t>(i)));
  }
  const auto in_unused_layer = [&](std::string_view name) {
    return std::any_of(unused.begin(), unused.end(),
                       [&](const std::string& block) { return name.starts_with(block); });
  };
  for (const Tensor& tensor : file_.tensors()) {
    // Old converters wrote the rotations, which follow from the facts.
    if (used_.contains(tensor.name) || tensor.name.ends_with(".attn_rot_embd") ||
        tensor.name == "rope.freqs" || in_unused_layer(tensor.name)) {
      continue;
    }
    return fail("{}: expected no such tensor in this architecture", tensor.name);
  }
  return {};
}

Linear rows_of(const Linear& fused, int64_t first, int64_t count) {
  Linear part = fused;
  part.weight.size = {fused.weight.columns(), count, 1, 1};
  part.weight.data = fused.weight.row(first);
  if (fused.bias) {
    part.bias.size = {count, 1, 1, 1};
    part.bias.data = fused.bias.data + first * static_cast<int64_t>(sizeof(float));
  }
  return part;
}

}  // namespace issun::model
