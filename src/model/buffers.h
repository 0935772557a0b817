// The rooms a forward pass works in, laid out once in one arena. Each part of a layer plans its
// own; the parts of one kind in all layers share it.
#pragma once

#include <memory>

#include "base/memory.h"
#include "model/forward.h"
#include "model/layer/attention.h"
#include "model/layer/feed_forward.h"
#include "model/layer/latent_attention.h"
#include "model/layer/layer_input.h"
#include "model/layer/mixture.h"
#include "model/layer/recurrent.h"
#include "model/layer/streams.h"
#include "model/residency.h"

namespace issun::model {

struct Buffers {
  Arena arena;
  // (max_rows, embedding) each: what flows from layer to layer, what a half of a layer reads, and
  // what it gives
  std::span<float> residual, normed, branch;
  std::span<std::byte> prepared;  // any rows as the products that come next read them
  // (rows, rank) and (rows, outputs): a token's way through an adapter
  std::span<float> adapter_inner, adapter_outer;
  std::span<int32_t> positions, pages;  // (max_rows): where each row stands, and in which page
  std::vector<RotationRoom> rotations;  // one a kind of rotation
  AttentionRooms attention;
  LatentRooms latent;
  RecurrentRooms recurrent;
  LayerInputRoom layer_input;
  StreamRooms streams;
  FeedForwardRoom feed_forward;
  MixtureRoom mixture;
  std::span<float> logits;  // (max_outputs, vocabulary)
  // Where experts come and go: what of a layer is needed, and what is expected.
  std::vector<experts::Use> uses;
  std::vector<Residency::Guess> guesses;

  // Reserves everything; allocates and fills the spans when `allocate`.
  static Result<std::unique_ptr<Buffers>> make(const ModelConfig& config,
                                               const kernels::KernelTable& kernels,
                                               const ForwardOptions& options, int workers,
                                               bool allocate);
};

// The first `rows` rows of a buffer that holds rows of `columns`.
inline Matrix<float> view(std::span<float> buffer, int64_t rows, int64_t columns) {
  return {buffer.data(), rows, columns, columns};
}

}  // namespace issun::model
