#include "model/buffers.h"

#include <algorithm>

namespace issun::model {

Result<std::unique_ptr<Buffers>> Buffers::make(const ModelConfig& config,
                                               const kernels::KernelTable& kernels,
                                               const ForwardOptions& options, int workers,
                                               bool allocate) {
  auto buffers = std::make_unique<Buffers>();
  Buffers& b = *buffers;
  Layout layout(&b.arena);
  Plan plan{config, kernels, options, workers, layout};
  const int64_t rows = options.max_rows;
  const int64_t wide_rows = std::max(options.max_rows, options.max_outputs);
  layout.add(&b.residual, rows * config.embedding_length);
  layout.add(&b.normed, wide_rows * config.embedding_length);
  layout.add(&b.branch, rows * config.embedding_length);
  layout.add(&b.positions, rows);
  layout.add(&b.pages, rows);
  b.rotations.resize(config.ropes.size());
  for (size_t i = 0; i < config.ropes.size(); ++i) {
    layout.add(&b.rotations[i].cosines, rows * (config.ropes[i].dimensions / 2));
    layout.add(&b.rotations[i].sines, rows * (config.ropes[i].dimensions / 2));
  }
  layout.add(&b.adapter_inner, wide_rows * options.adapters.rank);
  layout.add(&b.adapter_outer, wide_rows * options.adapters.outputs);
  plan.widest_input(wide_rows, config.embedding_length);
  b.attention.plan(plan);
  b.latent.plan(plan);
  b.recurrent.plan(plan);
  b.layer_input.plan(plan);
  b.streams.plan(plan);
  b.feed_forward.plan(plan);
  b.mixture.plan(plan);
  layout.add(&b.prepared, plan.prepared_bytes);
  if (!options.hidden) layout.add(&b.logits, int64_t{options.max_outputs} * config.vocabulary_size);
  if (allocate) {
    TRY(b.arena.allocate());
    layout.fill();
    b.attention.fill();
  }
  return buffers;
}

}  // namespace issun::model
