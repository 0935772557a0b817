// What the tests of training share: a small network of any facts, ready to train, and batches.
#pragma once

#include <doctest/doctest.h>

#include <memory>

#include "kernels/dispatch.h"
#include "model/made_up.h"
#include "train/network.h"

namespace issun::train {

struct Trained {
  Trained(model::ModelConfig facts, const model::Form& form, const NetworkOptions& options,
          const kernels::KernelTable& kernels = **kernels::choose_kernels(), int threads = 2)
      : model(std::move(facts), form), workers(*Workers::create(threads)) {
    auto whole = Parameters::whole(model.file(), model.weights, kernels);
    REQUIRE_MESSAGE(whole, (whole ? "" : whole.error().message));
    parameters = std::move(*whole);
    auto made =
        Network::create(model.config, model.weights, parameters, kernels, *workers, options);
    REQUIRE_MESSAGE(made, (made ? "" : made.error().message));
    network = std::move(*made);
  }

  model::MadeUpModel model;
  std::unique_ptr<Workers> workers;
  Parameters parameters;
  std::unique_ptr<Network> network;
};

// Documents as long as the sequences; some rows have no target.
inline Batch whole_sequences(int vocabulary, int sequences, int length) {
  Batch batch;
  batch.sequences = sequences;
  batch.length = length;
  for (int s = 0; s < sequences; ++s) {
    for (int t = 0; t < length; ++t) {
      const auto token = [&](int i) { return (i * 7 + i * i + 3 * s) % vocabulary; };
      batch.tokens.push_back(token(t));
      batch.targets.push_back(t % 5 == 3 ? kNoTarget : token(t + 1));
      batch.positions.push_back(t);
      batch.visible_begin.push_back(0);
    }
  }
  return batch;
}

}  // namespace issun::train
