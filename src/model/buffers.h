// The rooms a forward pass works in, laid out once in one arena.
#pragma once

#include "base/memory.h"
#include "kernels/linear.h"
#include "model/forward.h"

namespace issun::model {

// How many tokens one piece of attention work takes: keys and values are converted once for them.
constexpr int kAttentionTokens = 16;

// What one worker needs to attend with a tile of queries to one head.
struct AttentionRoom {
  std::span<float> queries, out;              // (tile rows, width)
  std::span<int> visible_begin, visible_end;  // (tile rows)
  std::span<const void*> key_pages, value_pages;
  std::span<std::byte> scratch;
};

struct Forward::Buffers {
  Arena arena;
  // (max_rows, ...) each
  std::span<float> residual, normed, query, key, value, attended, gate, up, projected;
  std::span<std::byte> q8;
  std::span<float> cosines, sines;      // (max_rows, rope pairs)
  std::span<int32_t> positions, pages;  // (max_rows): where each row stands, and in which page
  std::span<int64_t>
      first_item;           // (max_sequences + 1): where each sequence's attention work begins
  std::span<float> logits;  // (max_outputs, vocabulary)
  std::vector<AttentionRoom> rooms;  // one a worker

  // Reserves everything; allocates and fills the spans when `allocate`.
  static Result<Buffers> make(const ModelConfig& config, const kernels::KernelTable& kernels,
                              const ForwardOptions& options, int workers, bool allocate);
};

}  // namespace issun::model
