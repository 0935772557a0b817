#include "model/layer/layer.h"

#include "model/layer/mixture.h"

namespace issun::model {

namespace {

void mix(const Pass& pass, int l, const Matrix<float>& in, const Matrix<float>& out) {
  const Timed timed(pass.profile, Step::Mixing);
  switch (pass.layer(l).mixer) {
    case MixerKind::Attention:
      return attention(pass, l, in, out);
    case MixerKind::ShortConvolution:
      return short_convolution(pass, l, in, out);
    case MixerKind::StateSpace:
      return state_space(pass, l, in, out);
    case MixerKind::AttentionAndStateSpace: {
      const Matrix<float> beside = view(pass.buffers.recurrent.beside, out.rows, out.columns);
      attention(pass, l, in, beside);
      state_space(pass, l, in, out);
      return pass.each_row(out.rows, [&](int64_t t) {
        pass.kernels.add(out.row(t), beside.row(t), out.columns, out.row(t));
      });
    }
    case MixerKind::DeltaRule:
      return delta_rule(pass, l, in, out);
    case MixerKind::LatentAttention:
      return latent_attention(pass, l, in, out);
  }
}

void feed(const Pass& pass, int l, const Matrix<float>& in, const Matrix<float>& out) {
  const Timed timed(pass.profile, Step::Feeding);
  switch (pass.layer(l).feed_forward) {
    case FeedForwardKind::None:
      return;
    case FeedForwardKind::Gated:
    case FeedForwardKind::Plain:
      return feed_forward(pass, pass.layer_weights(l).feed_forward, pass.layer(l).activation, in,
                          out, pass.layer(l).gate_cutoff);
    case FeedForwardKind::Mixture:
      return mixture(pass, l, in, out);
  }
}

// What a half of a layer gives, normed where the layer has such a norm, onto the residual; or the
// residual normed after that.
void add_to_residual(const Pass& pass, int l, const Norm& after, const Matrix<float>& branch,
                     const Matrix<float>& residual) {
  const Timed timed(pass.profile, Step::Residual);
  const kernels::KernelTable& k = pass.kernels;
  const float scale = static_cast<float>(pass.config.residual_scale);
  const bool sum = pass.layer(l).norms_sum;
  pass.each_row(branch.rows, [&](int64_t t) {
    if (after && !sum) pass.norm_row(after, branch.row(t), branch.columns, branch.row(t));
    if (scale != 1) {
      k.add_scaled(branch.row(t), scale, branch.columns, residual.row(t));
    } else {
      k.add(residual.row(t), branch.row(t), branch.columns, residual.row(t));
    }
    if (after && sum) pass.norm_row(after, residual.row(t), residual.columns, residual.row(t));
  });
}

}  // namespace

void run_layer(const Pass& pass, int l) {
  const LayerWeights& weights = pass.layer_weights(l);
  const int64_t width = pass.config.embedding_length;
  const Matrix<float> residual = view(pass.buffers.residual, pass.rows(), width);
  const Matrix<float> normed = view(pass.buffers.normed, pass.rows(), width);
  const Matrix<float> branch = view(pass.buffers.branch, pass.rows(), width);

  predict_streams(pass, l);
  const bool norms = static_cast<bool>(weights.before_mixer);
  if (norms) pass.norm(weights.before_mixer, residual, normed);
  mix(pass, l, norms ? normed : residual, branch);
  low_way(pass, l, normed);
  add_to_residual(pass, l, weights.after_mixer, branch, residual);
  add_low_way(pass);

  if (pass.layer(l).feed_forward == FeedForwardKind::None) return;
  // Without a norm of its own the second half reads what the first read (parallel), or the
  // residual as it is.
  if (weights.before_feed_forward) pass.norm(weights.before_feed_forward, residual, normed);
  const bool reads_normed = weights.before_feed_forward || pass.layer(l).parallel;
  feed(pass, l, reads_normed ? normed : residual, branch);
  add_to_residual(pass, l, weights.after_feed_forward, branch, residual);

  if (pass.config.streams.count > 1) {
    correct_streams(pass, l);
  } else if (pass.config.layer_input_width != 0) {
    layer_input(pass, l, residual, branch);
    add_to_residual(pass, l, {}, branch, residual);
  }
  if (const Tensor& scale = weights.output_scale) {
    pass.each_row(pass.rows(), [&](int64_t t) {
      pass.kernels.scale(residual.row(t), scale.floats()[0], width, residual.row(t));
    });
  }
}

}  // namespace issun::model
