// What files state of the layers that carry a state, under the keys they share.
#include "kernels/kernels.h"
#include "model/arch/arch.h"

namespace issun::model::arch {

namespace {
// A head's memory is a matrix of these; their product stays far below what an int holds.
constexpr int64_t kMaxStateWidth = 1 << 12, kMaxHeadWidth = 1 << 16;
}  // namespace

Result<RecurrentConfig> read_short_convolution(const Keys& keys, const ModelConfig& config) {
  RecurrentConfig facts;
  facts.taps = TRY(keys.count("shortconv.l_cache", kernels::kLeastTaps, kernels::kMostTaps));
  facts.heads = 1;
  facts.value_width = config.embedding_length;
  return facts;
}

Result<RecurrentConfig> read_state_space(const Keys& keys) {
  RecurrentConfig facts;
  facts.taps = TRY(keys.count("ssm.conv_kernel", kernels::kLeastTaps, kernels::kMostTaps));
  const int inner = TRY(keys.count("ssm.inner_size", 1, kMaxWidth));
  facts.heads = TRY(keys.count("ssm.time_step_rank", 1, kMaxHeadWidth));
  facts.key_heads = TRY(keys.count("ssm.group_count", 1, kMaxHeadWidth));
  facts.key_width = TRY(keys.count("ssm.state_size", 1, kMaxStateWidth));
  facts.value_width = inner / facts.heads;
  if (inner % facts.heads != 0 || facts.value_width > kMaxHeadWidth) {
    return fail("{}: expected {} heads of 1 to {} each, found {}", keys.full("ssm.inner_size"),
                facts.heads, kMaxHeadWidth, inner);
  }
  if (facts.heads % facts.key_heads != 0) {
    return fail("{}: expected a multiple of {} groups, found {}", keys.full("ssm.time_step_rank"),
                facts.key_heads, facts.heads);
  }
  if (int64_t{facts.key_heads} * facts.key_width > kMaxWidth) {
    return fail("{}: expected groups x state up to {}, found {} x {}", keys.full("ssm.group_count"),
                kMaxWidth, facts.key_heads, facts.key_width);
  }
  return facts;
}

}  // namespace issun::model::arch
