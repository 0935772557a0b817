// What the engine asks of a network: run a batch of rows against the cache, give logits. The one
// virtual call a step; the forward pass and the fake of the tests stand behind it.
#pragma once

#include <cstdint>
#include <span>

#include "base/check.h"
#include "base/result.h"
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
  // Each row has the bits that it has in a batch of so many rows, of which each sequence has as
  // many, and which may take longer; 0: of as many as there are.
  int company = 0;
};

class Decoder {
 public:
  virtual ~Decoder() = default;
  virtual int vocabulary_size() const = 0;
  // How many rows, sequences and outputs a batch may have at most.
  virtual int max_rows() const = 0;
  virtual int max_sequences() const = 0;
  virtual int max_outputs() const = 0;
  // Whether a row has the same bits in batches of so many rows of its sequence, and no others, as
  // in those of so many others, where neither says its company. Rows of other sequences change bits
  // only as more of its own do, or not at all.
  virtual bool computes_alike(int, int) const { return true; }
  // The longest a sequence may become, in tokens.
  virtual int64_t context() const = 0;
  // (outputs, vocabulary), or what else the network gives of a row; valid until the next run.
  // Error: weights that are read from the disk as they are needed, and could not be; the batch's
  // positions hold nothing then. All else was checked at load.
  virtual Result<Matrix<const float>> run(const Batch& batch, cache::PagedKv& cache) = 0;
  // How many adapters its weights have, and by what each counts from now on, beside the scale it
  // was added with; 1 each at first. What the cache holds was made with those that counted then.
  virtual int adapters() const { return 0; }
  virtual void scale_adapters(std::span<const float> scales) { CHECK_THAT(scales.empty()); }
};

}  // namespace issun::model
