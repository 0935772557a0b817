#include "model/weights.h"

#include <fmt/format.h>

#include <set>

namespace issun::model {

namespace {

// Finds tensors by name and holds them to shapes.
class Binder {
 public:
  explicit Binder(const gguf::GgufFile& file) : file_(file) {}

  Result<Tensor> matrix(const std::string& name, int64_t rows, int64_t columns) const {
    return check(TRY(require(name)), rows, columns);
  }
  // A vector of plain floats, such as a norm's gains.
  Result<Tensor> vector(const std::string& name, int64_t columns) const {
    return check_floats(TRY(check(TRY(require(name)), 1, columns)));
  }
  Result<Tensor> optional_vector(const std::string& name, int64_t columns) const {
    const Tensor found = find(name);
    return found ? check_floats(TRY(check(found, 1, columns))) : Result<Tensor>(found);
  }
  // prefix.weight, and prefix.bias if there is one.
  Result<Linear> linear(const std::string& prefix, int64_t rows, int64_t columns) const {
    return Linear{TRY(matrix(prefix + ".weight", rows, columns)),
                  TRY(optional_vector(prefix + ".bias", rows))};
  }
  bool has(const std::string& name) const { return static_cast<bool>(file_.find(name)); }

  // Error: a tensor that nothing asked for. To leave one out would give other answers in silence.
  Result<void> all_used() const {
    for (const Tensor& tensor : file_.tensors()) {
      // Old converters wrote the rotations, which follow from the facts.
      if (used_.contains(tensor.name) || tensor.name.ends_with(".attn_rot_embd") ||
          tensor.name == "rope.freqs") {
        continue;
      }
      return fail("{}: expected no such tensor in this architecture", tensor.name);
    }
    return {};
  }

 private:
  Tensor find(const std::string& name) const {
    const Tensor found = file_.find(name);
    if (found) used_.insert(found.name);
    return found;
  }
  Result<Tensor> require(const std::string& name) const {
    const Tensor found = find(name);
    if (!found) return fail("{}: expected this tensor, found none", name);
    return found;
  }
  static Result<Tensor> check(Tensor tensor, int64_t rows, int64_t columns) {
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
  static Result<Tensor> check_floats(Tensor tensor) {
    if (tensor.type != DType::F32) {
      return fail("{}: expected F32, found {}", tensor.name, name(tensor.type));
    }
    return tensor;
  }
  const gguf::GgufFile& file_;
  mutable std::set<std::string_view> used_;  // names asked for
};

// Rows [first, first + count) of a tensor that holds several matrices one below the other.
Tensor rows_of(const Tensor& tensor, int64_t first, int64_t count) {
  Tensor part = tensor;
  part.size = {tensor.columns(), count, 1, 1};
  part.data = tensor.row(first);
  return part;
}

// Columns of a bias vector likewise.
Tensor part_of(const Tensor& bias, int64_t first, int64_t count) {
  if (!bias) return bias;
  Tensor part = bias;
  part.size[0] = count;
  part.data = bias.data + first * static_cast<int64_t>(sizeof(float));
  return part;
}

Linear slice(const Linear& fused, int64_t first, int64_t count) {
  return {rows_of(fused.weight, first, count), part_of(fused.bias, first, count)};
}

Result<LayerWeights> bind_layer(const Binder& bind, const ModelConfig& config, int l) {
  const LayerConfig& layer = config.layers[static_cast<size_t>(l)];
  const int64_t embedding = config.embedding_length, hidden = layer.feed_forward_length;
  const int64_t query = int64_t{layer.heads} * layer.key_width;
  const int64_t key = int64_t{layer.kv_heads} * layer.key_width;
  const int64_t value = int64_t{layer.kv_heads} * layer.value_width;
  const std::string block = fmt::format("blk.{}.", l);
  LayerWeights weights;
  weights.attention_norm = TRY(bind.vector(block + "attn_norm.weight", embedding));
  if (bind.has(block + "attn_qkv.weight")) {
    const Linear fused = TRY(bind.linear(block + "attn_qkv", query + key + value, embedding));
    weights.query = slice(fused, 0, query);
    weights.key = slice(fused, query, key);
    weights.value = slice(fused, query + key, value);
  } else {
    weights.query = TRY(bind.linear(block + "attn_q", query, embedding));
    weights.key = TRY(bind.linear(block + "attn_k", key, embedding));
    weights.value = TRY(bind.linear(block + "attn_v", value, embedding));
  }
  weights.output =
      TRY(bind.linear(block + "attn_output", embedding, int64_t{layer.heads} * layer.value_width));
  weights.feed_forward_norm = TRY(bind.vector(block + "ffn_norm.weight", embedding));
  weights.gate = TRY(bind.linear(block + "ffn_gate", hidden, embedding));
  weights.up = TRY(bind.linear(block + "ffn_up", hidden, embedding));
  weights.down = TRY(bind.linear(block + "ffn_down", embedding, hidden));
  return weights;
}

}  // namespace

Result<Weights> Weights::bind(const gguf::GgufFile& file, const ModelConfig& config) {
  const Binder bind(file);
  Weights weights;
  weights.token_embedding =
      TRY(bind.matrix("token_embd.weight", config.vocabulary_size, config.embedding_length));
  weights.output_norm = TRY(bind.vector("output_norm.weight", config.embedding_length));
  weights.tied_output = !bind.has("output.weight");
  weights.output =
      weights.tied_output
          ? Linear{weights.token_embedding,
                   TRY(bind.optional_vector("output.bias", config.vocabulary_size))}
          : TRY(bind.linear("output", config.vocabulary_size, config.embedding_length));
  weights.rope_factors = TRY(bind.optional_vector("rope_freqs.weight", config.rope.dimensions / 2));
  for (int l = 0; l < static_cast<int>(config.layers.size()); ++l) {
    weights.layers.push_back(TRY(bind_layer(bind, config, l)));
  }
  TRY(bind.all_used());
  return weights;
}

int64_t Weights::bytes_per_token() const {
  int64_t bytes = output.weight.bytes() + token_embedding.row_bytes();
  each_layer_matrix([&](const Tensor& matrix) { bytes += matrix.bytes(); });
  return bytes;
}

int64_t Weights::products_per_token(bool with_output) const {
  int64_t products = with_output ? output.weight.rows() * output.weight.columns() : 0;
  each_layer_matrix([&](const Tensor& matrix) { products += matrix.rows() * matrix.columns(); });
  return products;
}

}  // namespace issun::model
