// The loss that makes a network an embedder: a query and the text that answers it come close, other
// texts do not. InfoNCE with negatives of the same batch (van den Oord et al., 2018, equation 4),
// over the cosine of pooled vectors.
#pragma once

#include "train/network.h"

namespace issun::train {

enum class PairPooling { Mean, First, Last };

struct ContrastiveOptions {
  double temperature = 0.05;
  PairPooling pooling = PairPooling::Mean;
  bool both_ways = false;  // also from each answer to all queries
};

struct ContrastiveSums {
  double loss = 0;              // nats, the sum over pairs
  int64_t pairs = 0, hits = 0;  // queries that their own answer was nearest to, of all candidates
};

// Of the network's last batch, whose `queries` and `candidates` are the texts: each query's loss is
// the cross-entropy of finding its answer among all candidates. Writes the network's
// hidden_gradient(), and adds to the gradients of the matrices behind the vectors, for a loss of
// weight * (the sum over pairs); weight 0: the sums alone.
ContrastiveSums contrastive_loss(Network& network, const Batch& batch,
                                 const kernels::KernelTable& kernels,
                                 const ContrastiveOptions& options, double weight);

// How the model makes one vector of a text. Error: in a way that training does not know.
Result<PairPooling> pooling_of(const model::ModelConfig& config);

}  // namespace issun::train
