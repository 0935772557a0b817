// The loss that makes a network an embedder: texts of a pair come close, those of other pairs do
// not. InfoNCE with negatives of the same batch (van den Oord et al., 2018, equation 4), over the
// cosine of pooled vectors.
#pragma once

#include "train/network.h"

namespace issun::train {

enum class PairPooling { Mean, First, Last };

struct ContrastiveOptions {
  double temperature = 0.05;
  PairPooling pooling = PairPooling::Mean;
  bool both_ways = false;  // also from the second text of each pair to all first ones
};

struct ContrastiveSums {
  double loss = 0;              // nats, the sum over pairs
  int64_t pairs = 0, hits = 0;  // pairs whose second text was the nearest of all
};

// The texts of the network's last batch are its documents, in order: segments of its rows, those
// without any target left out, of an even number: first and second text of each pair in turn.
// Writes the network's hidden_gradient() for a loss of weight * (the sum over pairs).
ContrastiveSums contrastive_loss(Network& network, const Batch& batch,
                                 const kernels::KernelTable& kernels,
                                 const ContrastiveOptions& options, double weight);

}  // namespace issun::train
