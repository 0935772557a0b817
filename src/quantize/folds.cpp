#include "quantize/folds.h"

#include <algorithm>

#include <fmt/format.h>

namespace issun::quantize {

namespace {

void add(const Tensor& tensor, std::vector<Tensor>* list) {
  if (tensor) list->push_back(tensor);
}

Fold behind_norm(const model::Norm& norm) {
  Fold fold;
  add(norm.gains, &fold.vectors);
  add(norm.bias, &fold.vectors);
  return fold;
}

Fold behind_rows(const model::Linear& giver, const Tensor& reader) {
  Fold fold;
  fold.giver = giver.weight;
  add(giver.bias, &fold.vectors);
  fold.readers = {reader};
  return fold;
}

}  // namespace

Folds folds_of(const model::ModelConfig& config, const model::LayerWeights& weights, int l) {
  using model::FeedForwardKind;
  const model::LayerConfig& layer = config.layers[static_cast<size_t>(l)];
  const model::AttentionWeights& attention = weights.attention;
  const model::FeedForwardWeights& feed = weights.feed_forward;
  Folds found;
  const auto leave = [&](const char* what) {
    found.notes.push_back(fmt::format("blk.{}: {}", l, what));
  };
  const bool attends = layer.mixer == model::MixerKind::Attention;
  const bool dense =
      layer.feed_forward == FeedForwardKind::Gated || layer.feed_forward == FeedForwardKind::Plain;
  // Both halves may read the rows of one norm: then all or none of their matrices are stretched.
  const bool shares = layer.parallel && !weights.before_feed_forward;
  if (!weights.before_mixer) {
    leave("no norm before the mixer, into which to fold");
  } else if (!attends || (shares && !dense)) {
    leave("the norm before the mixer is read by more than dense matrices");
  } else {
    Fold fold = behind_norm(weights.before_mixer);
    for (const model::Linear* read : {&attention.query, &attention.key, &attention.value})
      add(read->weight, &fold.readers);
    if (shares) {
      add(feed.gate.weight, &fold.readers);
      add(feed.up.weight, &fold.readers);
    }
    found.folds.push_back(std::move(fold));
  }
  if (attends && layer.heads == layer.kv_heads && !layer.value_norm) {
    found.folds.push_back(behind_rows(attention.value, attention.output.weight));
  } else if (attends) {
    leave("attn_output: values are shared by several heads or normed");
  }
  if (!dense) {
    if (layer.feed_forward != FeedForwardKind::None)
      leave("the feed-forward half is a mixture of experts");
    return found;
  }
  if (weights.before_feed_forward) {
    Fold fold = behind_norm(weights.before_feed_forward);
    add(feed.gate.weight, &fold.readers);
    add(feed.up.weight, &fold.readers);
    found.folds.push_back(std::move(fold));
  } else if (!shares) {
    leave("no norm before the feed-forward half, into which to fold");
  }
  if (feed.gate.weight && layer.activation != model::Activation::ClampedSilu) {
    found.folds.push_back(behind_rows(feed.up, feed.down.weight));
  } else {
    leave("ffn_down: what it reads is bent after the matrix before it");
  }
  return found;
}

}  // namespace issun::quantize
