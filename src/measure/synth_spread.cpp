#include "measure/synth_spread.h"

#include <cmath>

#include "measure/routers.h"

namespace issun::measure {

namespace {

constexpr double kEmbedding = 0.5;  // below 1, and all else far above the smallest binary16
// Scores of attention have a standard deviation of about 1 by themselves; with this, attention is
// to a few tokens.
constexpr double kQueries = 2;
// Root mean square of what the halves of a layer put through their last matrix, whose rows read are
// normed: values of a few tokens, averaged; and silu(a) b for a and b spread as a normal
// distribution of deviation 1, sqrt(0.356).
constexpr double kAttended = 0.5, kGated = 0.6;

}  // namespace

WeightSpread spread_of(const quantize::PlannedTensor& tensor, const Shape& shape, bool routed) {
  const auto columns = static_cast<double>(tensor.size[0]);
  WeightSpread spread{.middle = tensor.name.ends_with(".bias") ? 0.0 : 1.0,
                      .deviation = 1 / std::sqrt(columns)};
  if (!routed) return spread;
  const auto is = [&](std::string_view name) { return tensor.name.ends_with(name); };
  // Half of what the context adds comes from the attention of the first layer, so that all layers
  // see a token with it: a token that comes again chooses other experts as often as in a real
  // model.
  const bool first = tensor.name == "blk.0.attn_output.weight";
  const double power = first ? kContextPower / 2 : kContextPower / (4 * shape.layers);
  const double added = kEmbedding * std::sqrt(power);
  const bool normed = shape.extras.head_norms || shape.extras.row_norms;
  if (is("token_embd.weight")) spread.deviation = kEmbedding;
  if (is("attn_q.weight") && !normed) spread.deviation *= kQueries;
  if (is("attn_q_norm.weight")) spread.middle = kQueries;
  if (is("attn_output.weight")) spread.deviation *= added / kAttended;
  if (is("ffn_down_exps.weight")) {
    // Experts' shares add up to 1 at most; what they add is independent.
    spread.deviation *= added / kGated * std::sqrt(shape.extras.experts_used);
  }
  return spread;
}

}  // namespace issun::measure
