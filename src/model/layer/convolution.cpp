#include "model/layer/convolution.h"

#include <algorithm>

#include "model/layer/pass.h"

namespace issun::model {

namespace {
constexpr int64_t kChannels = 128;  // of one piece of work
}

void convolve(const Pass& pass, int l, const Convolution& convolution, const Matrix<float>& rows) {
  const int64_t blocks = (rows.columns + kChannels - 1) / kChannels;
  const int64_t sequences = static_cast<int64_t>(pass.batch.sequences.size());
  pass.workers.for_each(sequences * blocks, 1, [&](int64_t item, int64_t, int) {
    const size_t s = static_cast<size_t>(item / blocks);
    const int64_t channel = item % blocks * kChannels;
    const SequenceRows& sequence = pass.batch.sequences[s];
    kernels::ConvolutionTask task{};
    task.in = task.out = rows.row(pass.first_row(s)) + channel;
    task.in_stride = task.out_stride = rows.stride;
    task.tokens = sequence.rows;
    task.channels = static_cast<int>(std::min(kChannels, rows.columns - channel));
    task.tap_count = static_cast<int>(convolution.taps.columns());
    task.taps = convolution.taps.floats() + channel * task.tap_count;
    if (convolution.bias) task.bias = convolution.bias.floats() + channel;
    task.past = pass.cache.states().window(l, sequence.table->state) + channel;
    task.past_stride = rows.columns;
    task.silu = convolution.silu;
    pass.kernels.convolution(&task);
  });
}

}  // namespace issun::model
