// The experts of a layer: below each other in a tensor for each of their matrices, or in tensors of
// their own, which may be of other types from expert to expert. Gate and up may be merged.
#include <fmt/format.h>

#include "model/bind_parts.h"

namespace issun::model {

namespace {

// One of an expert's matrices, or gate and up in one.
struct Part {
  std::string name;  // with the block: blk.3.ffn_up
  int64_t rows, columns;
};

// Of all experts, in stacks.
Result<std::vector<Linear>> bind_stack(const Binder& bind, const Part& part, int64_t experts) {
  const Linear stack = TRY(bind.linears(part.name + "_exps", experts, part.rows, part.columns));
  std::vector<Linear> all;
  for (int64_t e = 0; e < experts; ++e) all.push_back(rows_of(stack, e * part.rows, part.rows));
  return all;
}

// Of all experts, in tensors of their own; biases may stand in stacks all the same.
Result<std::vector<Linear>> bind_single(const Binder& bind, const Part& part, int64_t experts) {
  const std::string stacked = part.name + "_exps.bias";
  Tensor biases;
  if (bind.has(stacked)) biases = TRY(bind.floats(stacked, experts, part.rows));
  std::vector<Linear> all;
  for (int64_t e = 0; e < experts; ++e) {
    const std::string prefix = fmt::format("{}.{}", part.name, e);
    Linear& own = all.emplace_back(TRY(bind.linear(prefix, part.rows, part.columns)));
    if (!biases) continue;
    if (own.bias) return fail("{}.bias: expected no such tensor beside {}", prefix, stacked);
    own.bias = biases;
    own.bias.size = {part.rows, 1, 1, 1};
    own.bias.data = biases.row(e);
  }
  return all;
}

}  // namespace

Result<std::vector<FeedForwardWeights>> bind_experts(const Binder& bind, const std::string& block,
                                                     int64_t embedding,
                                                     const MixtureConfig& mixture) {
  const int64_t n = mixture.experts, hidden = mixture.length;
  const bool single = bind.has(block + "ffn_down.0.weight");
  const auto part = [&](const char* name, int64_t rows, int64_t columns) {
    const Part of_all = {block + name, rows, columns};
    return single ? bind_single(bind, of_all, n) : bind_stack(bind, of_all, n);
  };
  const bool merged =
      mixture.gated &&
      bind.has(block + (single ? "ffn_gate_up.0.weight" : "ffn_gate_up_exps.weight"));
  std::vector<Linear> gate, up;
  if (merged) {
    for (const Linear& both : TRY(part("ffn_gate_up", 2 * hidden, embedding))) {
      gate.push_back(rows_of(both, 0, hidden));
      up.push_back(rows_of(both, hidden, hidden));
    }
  } else {
    if (mixture.gated) gate = TRY(part("ffn_gate", hidden, embedding));
    up = TRY(part("ffn_up", hidden, embedding));
  }
  const std::vector<Linear> down = TRY(part("ffn_down", embedding, hidden));
  std::vector<FeedForwardWeights> experts(static_cast<size_t>(n));
  for (size_t e = 0; e < experts.size(); ++e) {
    if (mixture.gated) experts[e].gate = gate[e];
    experts[e].up = up[e];
    experts[e].down = down[e];
  }
  return experts;
}

}  // namespace issun::model
