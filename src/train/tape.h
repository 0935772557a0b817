// What a forward pass leaves behind for the backward pass, and the rooms both work in: planned
// from the facts before the first step, allocated once.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/memory.h"
#include "kernels/gemm.h"
#include "model/config.h"

namespace issun::train {

// N: rows of the batch, sequences x length.
struct AttentionTape {
  std::span<float> query, key, value;   // (N, heads x width), normed and rotated
  std::span<float> raw_query, raw_key;  // before their norms, where they have some
  std::span<float> attended;            // (N, heads x value_width)
  std::span<float> log_sums;            // (N, heads): of exp(scores)
};

struct FeedForwardTape {
  std::span<float> gate, up;  // (N, length)
};

// A visit is one token at one expert; slots are the visits in order of their experts.
struct MixtureTape {
  std::span<float> scores;    // (N, experts), as choose_experts() leaves them
  std::span<int32_t> chosen;  // (N, used)
  std::span<float> shares;    // (N, used)
  std::span<int32_t> slots;   // (N, used)
  std::span<int64_t> ends;    // (experts)
  std::span<double> means;    // (experts): of the rows' probabilities
  std::span<float> gate, up;  // (slots, length)
  std::span<float> out;       // (slots, embedding), before shares
};

struct LayerTape {
  std::span<float> in, middle;  // (N, embedding): the residual before either half
  std::span<float> mixed, fed;  // what the halves give, where it is normed before it is added
  AttentionTape attention;
  FeedForwardTape feed_forward;
  MixtureTape mixture;
};

// Sums over rows are taken in so many parts of fixed rows, so that they do not depend on how many
// workers there are.
constexpr int kPartialSums = 16;

struct AttentionRoom {              // of one worker
  std::span<float> scores, slopes;  // (query rows, key rows)
  std::span<float> largest, sums;   // (query rows)
  std::span<float> ones;            // (key rows)
  std::span<std::byte> scratch;
};

struct RowLoss {
  double cross_entropy, divergence;
  bool hit;
};

struct Rooms {
  Arena arena;
  std::vector<LayerTape> layers;
  std::span<float> residual;                  // (N, embedding): what the last layer gives
  std::span<float> hidden;                    // the same, normed
  std::span<float> normed, branch;            // (N, embedding)
  std::span<float> activated;                 // (N or slots, length)
  std::span<float> slots_in, slots_gradient;  // (slots, embedding)
  // One a kind of rotation, (N, pairs); back_sines turn the other way.
  std::vector<std::span<float>> cosines, sines, back_sines;
  std::span<int32_t> segment_end;        // (N): where its document ends in the row
  std::vector<AttentionRoom> attention;  // one a worker
  // Gradients
  std::span<float> d_residual, d_hidden, d_normed, d_branch;  // (N, embedding)
  std::span<float> d_query, d_key, d_value;                   // (N, heads x width)
  std::span<float> d_attended;                                // (N, heads x value_width)
  std::span<float> d_activated;                               // (N or slots, length)
  std::span<float> d_scores;                                  // (N, experts)
  std::span<float> adapter_inner, d_adapter_inner;            // (N, rank)
  std::span<float> partial_gains, partial_bias;               // (kPartialSums, widest)
  // The output: some rows at a time
  std::span<int32_t> live;           // (N): rows that have a target
  std::span<float> logits, teacher;  // (output rows, vocabulary)
  std::span<float> warm;             // (workers, 2, vocabulary): rows at another temperature
  std::span<float> live_hidden, d_live_hidden;  // (N, embedding)
  std::span<RowLoss> losses;                    // (output rows)
  int64_t output_rows = 0;
};

struct RoomOptions {
  int sequences = 1, length = 512;
  bool recompute = false;  // keep the residual alone of each layer, and run it again going back
  bool distils = false;    // room for the logits of a teacher
  int rank = 0;            // of adapters
  int workers = 1;
};

// Plans, and allocates if asked. Error: memory.
Result<std::unique_ptr<Rooms>> make_rooms(const model::ModelConfig& config,
                                          const RoomOptions& options, bool allocate);

}  // namespace issun::train
