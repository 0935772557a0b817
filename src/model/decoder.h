// What the engine asks of a network: run a batch of rows against the cache, give logits. The one
// virtual call a step; the forward pass and the fake of the tests stand behind it.
#pragma once

#include <cstdint>
#include <span>

#include "cache/paged_kv.h"
#include "tensor/tensor.h"

namespace issun::model {

// Consecutive rows of a batch that belong to one sequence. The table already counts them: their
// positions are the last `rows` of it.
struct SequenceRows {
  const cache::PageTable* table = nullptr;
  int rows = 0;
};

struct Batch {
  std::span<const int32_t> tokens;          // (rows), each in [0, vocabulary)
  std::span<const SequenceRows> sequences;  // their rows add up to tokens.size()
  std::span<const int32_t> outputs;         // rows whose logits are wanted, ascending
};

class Decoder {
 public:
  virtual ~Decoder() = default;
  virtual int vocabulary_size() const = 0;
  // How many rows, sequences and outputs a batch may have at most.
  virtual int max_rows() const = 0;
  virtual int max_sequences() const = 0;
  virtual int max_outputs() const = 0;
  // The longest a sequence may become, in tokens.
  virtual int64_t context() const = 0;
  // (outputs, vocabulary), or what else the network gives of a row; valid until the next run.
  // Cannot fail: all was checked at load.
  virtual Matrix<const float> run(const Batch& batch, cache::PagedKv& cache) = 0;
};

}  // namespace issun::model
