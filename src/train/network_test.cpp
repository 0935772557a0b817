#include "train/network.h"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <random>

#include "kernels/dispatch.h"
#include "model/forward.h"
#include "model/made_up.h"
#include "model/reference.h"
#include "model/sequence.h"
#include "train/testing.h"

using namespace issun;
using namespace issun::train;
using model::Form;
using model::ModelConfig;

namespace {

constexpr int kSequences = 2, kLength = 13;

// The loss of two sequences in double precision, by plain loops that share nothing with training.
double reference_loss(const Trained& trained, const Batch& batch) {
  const model::Reference reference(trained.model.config, trained.model.weights);
  const size_t vocabulary = static_cast<size_t>(trained.model.config.vocabulary_size);
  double loss = 0;
  int rows = 0;
  for (int s = 0; s < batch.sequences; ++s) {
    const auto first = batch.tokens.begin() + s * batch.length;
    const std::vector<double> logits =
        reference.double_logits(std::vector<int32_t>(first, first + batch.length));
    for (int t = 0; t < batch.length; ++t) {
      const int32_t target = batch.targets[static_cast<size_t>(s * batch.length + t)];
      if (target == kNoTarget) continue;
      const double* row = logits.data() + static_cast<size_t>(t) * vocabulary;
      double sum = 0;
      for (size_t v = 0; v < vocabulary; ++v) sum += std::exp(row[v]);
      loss += std::log(sum) - row[target];
      ++rows;
    }
  }
  return loss / rows;
}

using Change = std::function<void(ModelConfig&)>;

// The gradients of a network against differences of the loss in double precision: along single
// weights and along a random direction of every tensor.
void check_gradients(const char* name, ModelConfig facts, const Change& change,
                     const Form& form = {}, NetworkOptions options = {}) {
  CAPTURE(name);
  change(facts);
  options.sequences = kSequences;
  options.length = kLength;
  Trained trained(std::move(facts), form, options);
  const Batch batch = whole_sequences(trained.model.config.vocabulary_size, kSequences, kLength);
  Network& network = *trained.network;
  network.forward(batch);
  const double rows = network.next_loss(0).rows;
  const LossSums sums = network.next_loss(1 / rows);
  CHECK(sums.cross_entropy / rows == doctest::Approx(reference_loss(trained, batch)).epsilon(1e-6));
  network.backward();

  double total = 0;
  for (const float g : trained.parameters.gradients()) total += double{g} * double{g};
  total = std::sqrt(total);

  std::mt19937 random(7);
  std::normal_distribution<double> normal;
  for (const Parameter& p : trained.parameters.list()) {
    CAPTURE(p.name);
    const std::span<float> values = trained.parameters.values_of(p);
    const std::span<const float> gradients = trained.parameters.gradients_of(p);
    const std::vector<float> kept(values.begin(), values.end());
    double scale = 0;
    for (const float g : gradients) scale += double{g} * double{g};
    // The bias of keys has no gradient where nothing is rotated: the softmax does not see it.
    scale = std::max(std::sqrt(scale), 1e-3 * total);
    for (int probe = 0; probe < 3; ++probe) {
      std::vector<double> direction(values.size());
      if (probe == 0) {
        for (double& d : direction) d = normal(random);
      } else {
        direction[random() % direction.size()] = 1;
      }
      double length = 0;
      for (const double d : direction) length += d * d;
      const double step = 1.0 / 1024 / std::sqrt(length);
      double losses[2], expected = 0;
      std::vector<double> moved(values.size());
      for (int side = 0; side < 2; ++side) {
        for (size_t i = 0; i < values.size(); ++i) {
          values[i] = static_cast<float>(static_cast<double>(kept[i]) +
                                         (side == 0 ? -step : step) * direction[i]);
          moved[i] += (side == 0 ? -1 : 1) * static_cast<double>(values[i]);
        }
        losses[side] = reference_loss(trained, batch);
      }
      std::copy(kept.begin(), kept.end(), values.begin());
      double distance = 0;
      for (size_t i = 0; i < values.size(); ++i) {
        expected += moved[i] * static_cast<double>(gradients[i]);
        distance += moved[i] * moved[i];
      }
      // In units of the tensor's gradient: what a step of length 1 along it would change.
      const double error = std::abs(losses[1] - losses[0] - expected) / std::sqrt(distance) / scale;
      CHECK(error < 1e-5);
    }
  }
}

const Change kNothing = [](ModelConfig&) {};

}  // namespace

TEST_CASE("gradients agree with differences of the loss in double precision") {
  check_gradients("llama", model::small_facts(), kNothing);
  check_gradients("untied", model::small_facts(), kNothing, {.tied = false});
  check_gradients("recomputed", model::small_facts(), kNothing, {}, {.recompute = true});
  check_gradients("fused", model::small_facts(), kNothing,
                  {.fused_qkv = true, .fused_gate_up = true});
  check_gradients("fused, with biases", model::small_facts(), kNothing,
                  {.fused_qkv = true, .fused_gate_up = true, .biases = true});
  check_gradients("adjacent rope, part of a head", model::small_facts(), [](ModelConfig& c) {
    c.ropes[0].pairing = model::RopePairing::Adjacent;
    c.ropes[0].dimensions = 6;
    c.ropes[0].attention_factor = 1.2;
  });
  check_gradients("head norms", model::small_facts(), [](ModelConfig& c) {
    for (auto& layer : c.layers) layer.qk_norm = model::QkNorm::Head;
  });
  check_gradients("whole norms", model::small_facts(), [](ModelConfig& c) {
    for (auto& layer : c.layers) layer.qk_norm = model::QkNorm::Whole;
  });
  check_gradients("norms after", model::small_facts(), [](ModelConfig& c) {
    for (auto& layer : c.layers) layer.norms_after = true;
    c.residual_scale = 0.7;
    c.embedding_scale = 2;
    c.logit_scale = 0.8;
  });
  check_gradients("layer norm, biases, plain GELU, learned positions", model::small_facts(),
                  [](ModelConfig& c) {
                    c.norm = model::NormKind::Layer;
                    c.learned_positions = 20;
                    for (auto& layer : c.layers) {
                      layer.feed_forward = model::FeedForwardKind::Plain;
                      layer.activation = model::Activation::Gelu;
                      layer.rope = model::kNoRope;
                    }
                  },
                  {.biases = true});
  check_gradients("window", model::small_facts(), [](ModelConfig& c) { c.layers[1].window = 4; });
  const Change of_bert = [](ModelConfig& c) {
    c.norm = model::NormKind::Layer;
    c.embedding_norm = true;
    c.output_norm = false;
    c.causal = false;
    c.learned_positions = 20;
    for (auto& layer : c.layers) {
      layer.norms_before = false;
      layer.norms_after = layer.norms_sum = true;
      layer.feed_forward = model::FeedForwardKind::Plain;
      layer.activation = model::Activation::Gelu;
      layer.rope = model::kNoRope;
    }
  };
  const Form form_of_bert = {.biases = true, .token_types = true};
  check_gradients("norms of the residual, token types", model::small_facts(), of_bert,
                  form_of_bert);
  check_gradients("the same recomputed", model::small_facts(), of_bert, form_of_bert,
                  {.recompute = true});
  check_gradients("norms of a scaled residual", model::small_facts(), [&](ModelConfig& c) {
    of_bert(c);
    c.residual_scale = 0.7;
    c.embedding_scale = 2;
  });
  check_gradients("norm of embeddings, none in front of the first half", model::small_facts(),
                  [](ModelConfig& c) {
                    c.embedding_norm = true;
                    c.layers[0].norm_mixer = false;
                    for (auto& layer : c.layers) layer.activation = model::Activation::Gelu;
                  });
  check_gradients("both ways", model::small_facts(), [](ModelConfig& c) {
    c.causal = false;
    c.layers[0].window = 6;
  });
}

TEST_CASE("gradients through a mixture agree with differences") {
  const auto router = [](model::Router kind, bool renormalise, double scale) {
    return [=](ModelConfig& c) {
      for (auto& layer : c.layers) {
        layer.mixture.router = kind;
        layer.mixture.renormalise = renormalise;
        layer.mixture.scale = scale;
      }
    };
  };
  using enum model::Router;
  check_gradients("softmax", model::facts_with_experts(), router(Softmax, true, 1));
  check_gradients("softmax as it is", model::facts_with_experts(), router(Softmax, false, 1.5));
  check_gradients("sigmoid", model::facts_with_experts(), router(Sigmoid, true, 2.5),
                  {.selection_bias = true});
  check_gradients("of those chosen", model::facts_with_experts(),
                  router(SoftmaxOfChosen, false, 1));
  check_gradients("recomputed", model::facts_with_experts(), kNothing, {}, {.recompute = true});
}
