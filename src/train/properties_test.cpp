// What has to hold of a network in training whatever its facts: it is the network that runs, its
// documents do not see each other, and its sums do not depend on the machine's threads.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include "kernels/dispatch.h"
#include "model/forward.h"
#include "model/sequence.h"
#include "tensor/codec.h"
#include "train/contrastive.h"
#include "train/optimiser.h"
#include "train/testing.h"

using namespace issun;
using namespace issun::train;

namespace {

model::ModelConfig facts_of_a_gemma() {
  model::ModelConfig facts = model::small_facts();
  for (auto& layer : facts.layers) {
    layer.qk_norm = model::QkNorm::Head;
    layer.norms_after = true;
    layer.activation = model::Activation::Gelu;
  }
  facts.layers[0].window = 7;
  facts.embedding_scale = 3;
  return facts;
}

std::vector<float> gradients_of(Trained& trained, const Batch& batch) {
  trained.network->forward(batch);
  trained.network->next_loss(1.0 / 16);
  trained.network->backward();
  const std::span<const float> all = trained.parameters.gradients();
  return {all.begin(), all.end()};
}

double relative_distance(std::span<const float> a, std::span<const float> b) {
  double off = 0, length = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double d = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    off += d * d;
    length += static_cast<double>(a[i]) * static_cast<double>(a[i]);
  }
  return std::sqrt(off / length);
}

}  // namespace

TEST_CASE("a network in training gives what the network gives that runs") {
  for (model::ModelConfig facts :
       {model::small_facts(), facts_of_a_gemma(), model::facts_with_experts()}) {
    Trained trained(facts, {}, {.sequences = 1, .length = 23});
    const Batch batch = whole_sequences(facts.vocabulary_size, 1, 23);
    const Matrix<float> hidden = trained.network->forward(batch);

    const auto& kernels = **kernels::choose_kernels();
    auto forward = *model::Forward::create(
        trained.model.config, trained.model.weights, kernels, *trained.workers,
        {.max_rows = 32, .max_outputs = 32, .context = 32, .exact = true, .hidden = true});
    auto cache = *cache::PagedKv::create(trained.model.config.kv_shape(DType::F32, DType::F32), 4);
    model::Sequence sequence(*forward, cache);
    const auto rows = *sequence.append(batch.tokens, model::Wanted::All);
    for (int t = 0; t < batch.length; ++t) {
      for (int c = 0; c < facts.embedding_length; ++c) {
        REQUIRE(hidden.row(t)[c] == doctest::Approx(rows.row(t)[c]).epsilon(2e-5));
      }
    }
  }
}

TEST_CASE("documents of one row learn as if each had a row of its own") {
  for (const bool causal : {true, false}) {
    model::ModelConfig facts = facts_of_a_gemma();
    facts.causal = causal;
    Trained packed(facts, {}, {.sequences = 1, .length = 200});
    Trained apart(facts, {}, {.sequences = 2, .length = 130});
    const Batch two = whole_sequences(facts.vocabulary_size, 2, 130);
    // Documents of 130 and 70 tokens; in the second form the rest of the row is of no document.
    Batch one, padded = two;
    one.sequences = 1;
    one.length = 200;
    for (int i = 0; i < 200; ++i) {
      const bool second = i >= 130;
      const auto at = static_cast<size_t>(i);
      one.tokens.push_back(two.tokens[at]);
      one.targets.push_back(i == 129 || i == 199 ? kNoTarget : two.targets[at]);
      one.positions.push_back(second ? i - 130 : i);
      one.visible_begin.push_back(second ? 130 : 0);
    }
    padded.targets[129] = padded.targets[199] = kNoTarget;
    for (size_t i = 200; i < 260; ++i) {
      padded.targets[i] = kNoTarget;
      padded.visible_begin[i] = 70;
      padded.positions[i] = static_cast<int32_t>(i) - 200;
    }
    CHECK(relative_distance(gradients_of(packed, one), gradients_of(apart, padded)) < 1e-5);
  }
}

TEST_CASE("gradients and steps have the same bits for any number of workers") {
  std::vector<float> kept;
  for (const int threads : {1, 2, 3}) {
    Trained trained(model::facts_with_experts(), {.tied = false},
                    {.sequences = 3, .length = 150, .balance = 0.01}, **kernels::choose_kernels(),
                    threads);
    const Batch batch = whole_sequences(trained.model.config.vocabulary_size, 3, 150);
    Optimiser optimiser(trained.parameters, **kernels::choose_kernels(), *trained.workers, {});
    for (int step = 0; step < 2; ++step) {
      gradients_of(trained, batch);
      CHECK(optimiser.step(1e-2).taken);
    }
    const std::span<const float> values = trained.parameters.values();
    if (kept.empty()) kept.assign(values.begin(), values.end());
    CHECK(std::memcmp(kept.data(), values.data(), values.size_bytes()) == 0);
  }
}

TEST_CASE("layers that are run again give the same bits as layers that are kept") {
  const Batch batch = whole_sequences(model::small_facts().vocabulary_size, 2, 90);
  for (const model::ModelConfig& facts : {facts_of_a_gemma(), model::facts_with_experts()}) {
    Trained kept(facts, {}, {.sequences = 2, .length = 90});
    Trained again(facts, {}, {.sequences = 2, .length = 90, .recompute = true});
    CHECK(again.network->bytes() < kept.network->bytes());
    CHECK(gradients_of(kept, batch) == gradients_of(again, batch));
  }
}

TEST_CASE("every instruction set learns the same") {
  const Batch batch = whole_sequences(model::small_facts().vocabulary_size, 2, 90);
  Trained plain(facts_of_a_gemma(), {}, {.sequences = 2, .length = 90},
                *kernels::available_kernels()[0]);
  const std::vector<float> expected = gradients_of(plain, batch);
  for (const kernels::KernelTable* table : kernels::available_kernels()) {
    Trained other(facts_of_a_gemma(), {}, {.sequences = 2, .length = 90}, *table);
    CHECK(relative_distance(expected, gradients_of(other, batch)) < 1e-5);
  }
}

TEST_CASE("a network learns a text by heart") {
  Trained trained(facts_of_a_gemma(), {}, {.sequences = 2, .length = 40});
  const Batch batch = whole_sequences(trained.model.config.vocabulary_size, 2, 40);
  Optimiser optimiser(trained.parameters, **kernels::choose_kernels(), *trained.workers, {});
  double first = 0, last = 0;
  for (int step = 0; step < 60; ++step) {
    trained.network->forward(batch);
    const LossSums sums = trained.network->next_loss(1.0 / 64);
    last = sums.cross_entropy / static_cast<double>(sums.rows);
    if (step == 0) first = last;
    trained.network->backward();
    optimiser.step(1e-2);
  }
  CHECK(first > 3);
  CHECK(last < 0.3);
}

TEST_CASE("a step with a gradient that is no number changes nothing and names the tensor") {
  Trained trained(model::small_facts(), {}, {.sequences = 1, .length = 8});
  const std::span<float> values = trained.parameters.values();
  const std::vector<float> kept(values.begin(), values.end());
  const Parameter& p = trained.parameters.list()[3];
  trained.parameters.gradients_of(p)[1] = NAN;
  CHECK(first_unsound_gradient(trained.parameters, **kernels::choose_kernels()) == p.name);
  Optimiser optimiser(trained.parameters, **kernels::choose_kernels(), *trained.workers, {});
  CHECK_FALSE(optimiser.step(1e-3).taken);
  CHECK(optimiser.taken == 0);
  CHECK(std::equal(kept.begin(), kept.end(), values.begin()));
  CHECK(trained.parameters.gradients_of(p)[1] == 0);
}

TEST_CASE("rounded weights are those of the file, and what is learnt keeps its digits") {
  Trained trained(model::small_facts(), {}, {.sequences = 1, .length = 23});
  Parameters& parameters = trained.parameters;
  const int64_t plain_bytes = parameters.bytes();
  const std::vector<float> before(parameters.values().begin(), parameters.values().end());
  REQUIRE(parameters.train_rounded(DType::Q4_0, *trained.workers));
  CHECK(parameters.bytes() > plain_bytes);
  CHECK(std::equal(before.begin(), before.end(), parameters.learnt().begin()));

  const auto expect_rounded = [&] {
    bool any = false;
    for (const Parameter& p : parameters.list()) {
      const DType type = p.stored_as(DType::Q4_0);
      const std::span<const float> exact = parameters.learnt_of(p), seen = parameters.values_of(p);
      std::vector<std::byte> row(static_cast<size_t>(row_bytes(type, p.size[0])));
      std::vector<float> decoded(static_cast<size_t>(p.size[0]));
      for (size_t first = 0; first < exact.size(); first += decoded.size()) {
        encode_row(type, exact.data() + first, p.size[0], row.data());
        decode_row(type, row.data(), p.size[0], decoded.data());
        REQUIRE(std::equal(decoded.begin(), decoded.end(), seen.begin() + first));
      }
      any = any || (type == DType::Q4_0 && relative_distance(exact, seen) > 0.01);
    }
    CHECK(any);
  };
  expect_rounded();
  const Batch batch = whole_sequences(trained.model.config.vocabulary_size, 1, 23);
  gradients_of(trained, batch);
  Optimiser optimiser(parameters, **kernels::choose_kernels(), *trained.workers, {});
  CHECK(optimiser.step(1e-4).taken);
  CHECK(relative_distance(before, parameters.learnt()) > 0);
  expect_rounded();
  CHECK_FALSE(parameters.train_rounded(DType::I32, *trained.workers));
}
