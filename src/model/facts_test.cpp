// Each fact of a network against the oracle of plain loops, and against itself flipped: a fact that
// were not heeded would be seen here.
#include <doctest/doctest.h>

#include <functional>

#include "gguf/pack.h"
#include "kernels/attention.h"
#include "kernels/dispatch.h"
#include "kernels/tiles_testing.h"
#include "make_workers.h"
#include "model/forward.h"
#include "model/made_up.h"
#include "model/reference.h"
#include "model/sequence.h"
#include "model/testing.h"

using namespace issun;
using namespace issun::model;

namespace {

constexpr int kTokens = 23;

std::vector<int32_t> tokens(int vocabulary) {
  std::vector<int32_t> ids;
  for (int i = 0; i < kTokens; ++i) ids.push_back((i * 7 + i * i) % vocabulary);
  return ids;
}

// The logits of the real forward pass with these facts and weights, `rows` tokens at a time, which
// ask for this company.
std::vector<float> forward(const ModelConfig& config, const Weights& weights,
                           const kernels::KernelTable& kernels, int rows = 64, int company = 0,
                           DType cached = DType::F32) {
  const auto pool = make_workers(2);
  ForwardOptions options;
  options.max_rows = options.max_outputs = rows;
  options.context = kTokens;
  auto made = Forward::create(config, weights, kernels, *pool, options);
  REQUIRE_MESSAGE(made, (made ? "" : made.error().message));
  auto cache = *cache::PagedKv::create(config.kv_shape(cached, cached), kTokens);
  Sequence sequence(**made, cache);
  const auto ids = tokens(config.vocabulary_size);
  std::vector<float> all;
  for (size_t begin = 0; begin < ids.size(); begin += static_cast<size_t>(rows)) {
    const size_t count = std::min(static_cast<size_t>(rows), ids.size() - begin);
    const auto out = *sequence.append(std::span(ids).subspan(begin, count), Wanted::All, company);
    all.insert(all.end(), out.data, out.data + out.rows * out.columns);
  }
  return all;
}

using Change = std::function<void(ModelConfig&)>;
Change each_layer(const std::function<void(LayerConfig&)>& change) {
  return [change](ModelConfig& config) {
    for (LayerConfig& layer : config.layers) change(layer);
  };
}

// The fact as `set` makes it agrees with the oracle in two batch shapes, on the first and the last
// instruction set; with the same weights, `flip` of it gives something else.
void check_fact(const char* name, ModelConfig config, const Change& set, const Change& flip,
                const Form& form = {}) {
  CAPTURE(name);
  set(config);
  const MadeUpModel model(config, form);
  const auto expected =
      Reference(model.config, model.weights).logits(tokens(config.vocabulary_size));
  const auto tables = kernels::available_kernels();
  CHECK(nmse(forward(model.config, model.weights, *tables.front()), expected) < 1e-8);
  const int rows = config.causal ? 5 : kTokens;  // what sees both ways needs the text as a whole
  CHECK(nmse(forward(model.config, model.weights, *tables.back(), rows), expected) < 1e-8);
  ModelConfig flipped = model.config;
  flip(flipped);
  CHECK(nmse(forward(flipped, model.weights, *tables.back()), expected) > 1e-6);
}

}  // namespace

TEST_CASE("Facts of attention change the logits as the oracle says") {
  check_fact(
      "attention scale", small_facts(), [](ModelConfig&) {},
      each_layer([](LayerConfig& l) { l.attention_scale *= 1.1; }));
  for (const int window : {1, 7, kTokens - 1}) {
    check_fact("window", small_facts(), each_layer([&](LayerConfig& l) { l.window = window; }),
               each_layer([&](LayerConfig& l) { l.window = window + 1; }));
  }
  check_fact(
      "window of one layer", small_facts(), [](ModelConfig& c) { c.layers[1].window = 4; },
      [](ModelConfig& c) { std::swap(c.layers[0].window, c.layers[1].window); });
  check_fact("soft cap", small_facts(), each_layer([](LayerConfig& l) { l.attention_softcap = 1; }),
             each_layer([](LayerConfig& l) { l.attention_softcap = 0; }));
  check_fact("norms of each head", small_facts(),
             each_layer([](LayerConfig& l) { l.qk_norm = QkNorm::Head; }),
             each_layer([](LayerConfig& l) { l.qk_norm = QkNorm::None; }));
  check_fact("norms of whole rows", small_facts(),
             each_layer([](LayerConfig& l) { l.qk_norm = QkNorm::Whole; }),
             each_layer([](LayerConfig& l) { l.qk_norm = QkNorm::None; }));
  check_fact(
      "growing queries", small_facts(),
      [](ModelConfig& c) {
        c.query_growth = 0.3;
        c.query_growth_length = 6;
      },
      [](ModelConfig& c) { c.query_growth_length = 7; });
  check_fact("sinks", small_facts(), each_layer([](LayerConfig& l) { l.sinks = true; }),
             each_layer([](LayerConfig& l) { l.window = kTokens - 1; }));
}

TEST_CASE("Facts of reading both ways change the rows as the oracle says") {
  const auto both_ways = [](const std::function<void(LayerConfig&)>& change) {
    return [change](ModelConfig& config) {
      config.causal = false;
      for (LayerConfig& layer : config.layers) change(layer);
    };
  };
  const auto nothing = [](LayerConfig&) {};
  check_fact("both ways", small_facts(), both_ways(nothing),
             [](ModelConfig& c) { c.causal = true; });
  for (const int window : {1, 2, 7, kTokens}) {
    check_fact("symmetric window", small_facts(),
               both_ways([&](LayerConfig& l) { l.window = window; }),
               each_layer([&](LayerConfig& l) { l.window = window + 2; }));
  }
  check_fact("window to one side", small_facts(), both_ways([](LayerConfig& l) { l.window = 8; }),
             [](ModelConfig& c) { c.causal = true; });
  for (const int heads : {4, 6}) {
    const auto alibi = [&](LayerConfig& l) {
      l.heads = heads;
      l.alibi = 8;
      l.rope = kNoRope;
    };
    check_fact("ALiBi", small_facts(), both_ways(alibi),
               each_layer([](LayerConfig& l) { l.alibi = 0; }));
    check_fact("slopes of ALiBi", small_facts(), both_ways(alibi),
               each_layer([](LayerConfig& l) { l.alibi = 7; }));
    check_fact("ALiBi of a decoder", small_facts(), each_layer(alibi),
               each_layer([](LayerConfig& l) { l.alibi = 0; }));
  }
}

TEST_CASE("A window as long as the text changes nothing, one token less does") {
  const MadeUpModel model(small_facts());
  const kernels::KernelTable& kernels = *kernels::available_kernels().back();
  const auto all = forward(model.config, model.weights, kernels);
  for (const int window : {kTokens - 1, kTokens, kTokens + 1}) {
    ModelConfig config = model.config;
    for (LayerConfig& layer : config.layers) layer.window = window;
    CHECK((forward(config, model.weights, kernels) == all) == (window >= kTokens));
  }
}

TEST_CASE("Facts of the rotation change the logits as the oracle says") {
  check_fact(
      "pairing", small_facts(), [](ModelConfig& c) { c.ropes[0].pairing = RopePairing::Adjacent; },
      [](ModelConfig& c) { c.ropes[0].pairing = RopePairing::Halves; });
  check_fact(
      "part of each head", small_facts(), [](ModelConfig& c) { c.ropes[0].dimensions = 6; },
      [](ModelConfig& c) { c.ropes[0].dimensions = 4; });
  check_fact(
      "attention factor", small_facts(), [](ModelConfig& c) { c.ropes[0].attention_factor = 1.2; },
      [](ModelConfig& c) { c.ropes[0].attention_factor = 1; });
  check_fact(
      "no rotation in one layer", small_facts(), [](ModelConfig& c) { c.layers[1].rope = kNoRope; },
      [](ModelConfig& c) { c.layers[1].rope = 0; });
  check_fact(
      "a rotation for each layer", small_facts(),
      [](ModelConfig& c) {
        c.ropes.push_back(c.ropes[0]);
        c.ropes[1].base = 7;
        c.layers[1].rope = 1;
      },
      [](ModelConfig& c) { c.layers[1].rope = 0; });
  check_fact(
      "learned positions", small_facts(),
      [](ModelConfig& c) {
        c.learned_positions = kTokens;
        c.ropes.clear();
        for (LayerConfig& layer : c.layers) layer.rope = kNoRope;
      },
      [](ModelConfig& c) { c.learned_positions = 0; });
}

TEST_CASE("Facts of norms, scales and feed-forward change the logits as the oracle says") {
  check_fact(
      "layer norm", small_facts(), [](ModelConfig& c) { c.norm = NormKind::Layer; },
      [](ModelConfig& c) { c.norm = NormKind::Rms; });
  check_fact(
      "biases", small_facts(), [](ModelConfig& c) { c.norm = NormKind::Layer; },
      [](ModelConfig& c) { c.norm = NormKind::Rms; }, {.biases = true});
  check_fact(
      "RMS norms with biases", small_facts(), [](ModelConfig&) {},
      [](ModelConfig& c) { c.norm = NormKind::Layer; }, {.biases = true});
  check_fact("norms before and after", small_facts(),
             each_layer([](LayerConfig& l) { l.norms_after = true; }),
             [](ModelConfig& c) { c.norm_epsilon = 0.5; });
  check_fact("norms after only", small_facts(), each_layer([](LayerConfig& l) {
               l.norms_after = true;
               l.norms_before = false;
             }),
             [](ModelConfig& c) { c.norm_epsilon = 0.5; });
  const auto of_bert = [](ModelConfig& c) {
    c.norm = NormKind::Layer;
    c.embedding_norm = true;
    c.output_norm = false;
    for (LayerConfig& l : c.layers) {
      l.norms_before = false;
      l.norms_after = l.norms_sum = true;
    }
  };
  check_fact("norms of the residual, token types", small_facts(), of_bert,
             each_layer([](LayerConfig& l) { l.norms_sum = false; }),
             {.biases = true, .token_types = true});
  check_fact(
      "norm of embeddings, none in front of the first half", small_facts(),
      [](ModelConfig& c) {
        c.embedding_norm = true;
        c.layers[0].norm_mixer = false;
      },
      [](ModelConfig& c) { c.norm_epsilon = 0.5; });
  check_fact("parallel halves", small_facts(),
             each_layer([](LayerConfig& l) { l.parallel = true; }),
             each_layer([](LayerConfig& l) { l.parallel = false; }));
  check_fact(
      "embedding scale", small_facts(), [](ModelConfig& c) { c.embedding_scale = 2; },
      [](ModelConfig& c) { c.embedding_scale = 1; });
  check_fact(
      "residual scale", small_facts(), [](ModelConfig& c) { c.residual_scale = 0.7; },
      [](ModelConfig& c) { c.residual_scale = 1; });
  check_fact(
      "logit scale", small_facts(), [](ModelConfig& c) { c.logit_scale = 0.5; },
      [](ModelConfig& c) { c.logit_scale = 1; });
  check_fact(
      "logit soft cap", small_facts(), [](ModelConfig& c) { c.logit_softcap = 3; },
      [](ModelConfig& c) { c.logit_softcap = 0; });
  check_fact("GELU", small_facts(),
             each_layer([](LayerConfig& l) { l.activation = Activation::Gelu; }),
             each_layer([](LayerConfig& l) { l.activation = Activation::Silu; }));
  check_fact("clamped SiLU", small_facts(),
             each_layer([](LayerConfig& l) { l.activation = Activation::ClampedSilu; }),
             each_layer([](LayerConfig& l) { l.activation = Activation::Silu; }));
  check_fact("no gate", small_facts(), each_layer([](LayerConfig& l) {
               l.feed_forward = FeedForwardKind::Plain;
               l.activation = Activation::Gelu;
             }),
             each_layer([](LayerConfig& l) { l.activation = Activation::Silu; }));
  check_fact(
      "an output of its own", small_facts(), [](ModelConfig&) {},
      [](ModelConfig& c) { c.logit_scale = 2; }, {.tied = false});
}

TEST_CASE("Facts of a mixture of experts change the logits as the oracle says") {
  const auto experts = [](const std::function<void(MixtureConfig&)>& change) {
    return each_layer([change](LayerConfig& layer) { change(layer.mixture); });
  };
  const Change nothing = [](ModelConfig&) {};
  check_fact("shares that add up to 1", facts_with_experts(), nothing,
             experts([](MixtureConfig& m) { m.renormalise = false; }));
  check_fact("shares as the softmax of all gave them", facts_with_experts(),
             experts([](MixtureConfig& m) { m.renormalise = false; }),
             experts([](MixtureConfig& m) { m.renormalise = true; }));
  check_fact("sigmoid", facts_with_experts(),
             experts([](MixtureConfig& m) { m.router = Router::Sigmoid; }),
             experts([](MixtureConfig& m) { m.router = Router::Softmax; }));
  check_fact("softmax of the chosen", facts_with_experts(), experts([](MixtureConfig& m) {
               m.router = Router::SoftmaxOfChosen;
               m.renormalise = false;
             }),
             experts([](MixtureConfig& m) { m.router = Router::Softmax; }), {.biases = true});
  check_fact("no gates", facts_with_experts(), experts([](MixtureConfig& m) { m.gated = false; }),
             each_layer([](LayerConfig& l) { l.activation = Activation::Gelu; }), {.biases = true});
  check_fact("scale", facts_with_experts(), experts([](MixtureConfig& m) { m.scale = 1.5; }),
             experts([](MixtureConfig& m) { m.scale = 1; }));
  check_fact("how many", facts_with_experts(), experts([](MixtureConfig& m) { m.used = 2; }),
             experts([](MixtureConfig& m) { m.used = 3; }));
  check_fact("all of them", facts_with_experts(), experts([](MixtureConfig& m) { m.used = 6; }),
             experts([](MixtureConfig& m) { m.used = 5; }));
  check_fact("a selection bias", facts_with_experts(), nothing,
             experts([](MixtureConfig& m) { m.used = 2; }), {.selection_bias = true});
  const auto groups = [](MixtureConfig& m) {
    m.router = Router::Sigmoid;
    m.experts = 12;
    m.groups = 4;
    m.groups_used = 2;
  };
  check_fact("groups of experts", facts_with_experts(), experts(groups),
             experts([](MixtureConfig& m) { m.groups = 1; }), {.selection_bias = true});
  check_fact("how many groups", facts_with_experts(), experts(groups),
             experts([](MixtureConfig& m) { m.groups_used = 1; }), {.selection_bias = true});
  check_fact("how large groups", facts_with_experts(), experts(groups),
             experts([](MixtureConfig& m) { m.groups = 3; }));
  check_fact("a shared expert", facts_with_experts(),
             experts([](MixtureConfig& m) { m.shared_length = 14; }),
             experts([](MixtureConfig& m) { m.shared_length = 0; }));
  const auto beside = [](LayerConfig& l) {
    l.norms_after = l.mixture.beside_dense = true;
    l.mixture.shared_length = 14;
  };
  const Change apart = [](ModelConfig& c) { c.layers[1].mixture.beside_dense = false; };
  check_fact("beside a dense half", facts_with_experts(), each_layer(beside), apart);
  check_fact("scales of the experts", facts_with_experts(), each_layer(beside), apart,
             {.expert_scales = true});
  check_fact("a shared expert with a gate", facts_with_experts(), experts([](MixtureConfig& m) {
               m.shared_length = 14;
               m.shared_gate = true;
             }),
             experts([](MixtureConfig& m) { m.shared_length = 0; }));
}

TEST_CASE("How a file holds the projections changes no bit") {
  const kernels::KernelTable& kernels = *kernels::available_kernels().back();
  const auto run = [&](const ModelConfig& config, const Form& form) {
    const MadeUpModel model(config, form);
    return forward(model.config, model.weights, kernels);
  };
  for (const bool biases : {false, true}) {
    const Form plain{.biases = biases};
    CHECK(run(small_facts(), {.fused_qkv = true, .fused_gate_up = true, .biases = biases}) ==
          run(small_facts(), plain));
    const auto split = run(facts_with_experts(), plain);
    CHECK(run(facts_with_experts(), {.experts = ExpertLayout::Merged, .biases = biases}) == split);
    CHECK(run(facts_with_experts(), {.experts = ExpertLayout::Single, .biases = biases}) == split);
  }
  CHECK(run(small_facts(), {.tied = false}) != run(small_facts(), {.tied = true}));
}

TEST_CASE("Experts that are packed have the bits of the stacks, biases in stacks and all") {
  const kernels::KernelTable& kernels = *kernels::available_kernels().back();
  for (const ExpertLayout layout : {ExpertLayout::Split, ExpertLayout::Merged}) {
    for (const bool biases : {false, true}) {
      const MadeUpModel model(facts_with_experts(), {.experts = layout, .biases = biases});
      const ScratchFolder folder;
      REQUIRE(gguf::pack_experts(model.file(), folder.path("packed.gguf")));
      const auto file = *gguf::GgufFile::open(folder.path("packed.gguf"));
      const auto weights = Weights::bind(file, model.config);
      REQUIRE_MESSAGE(weights, (weights ? "" : weights.error().message));
      CHECK(forward(model.config, *weights, kernels) ==
            forward(model.config, model.weights, kernels));
    }
  }
}

TEST_CASE("An expert that is missing, or whose bias stands twice, is refused by name") {
  const MadeUpModel model(facts_with_experts(), {.experts = ExpertLayout::Single, .biases = true});
  const ScratchFolder folder;
  const auto refusal = [&](std::string_view without, std::string_view with) {
    auto writer = *gguf::GgufWriter::create(folder.path("m.gguf"));
    REQUIRE(writer.copy(model.file().metadata()));
    const auto tensors = model.file().tensors();
    for (const Tensor& tensor : tensors) {
      if (tensor.name != without)
        REQUIRE(
            writer.add_tensor(tensor.name, tensor.type, gguf::without_trailing_ones(tensor.size)));
    }
    const int64_t rows = model.config.layers[0].mixture.length;
    const int64_t experts = model.config.layers[0].mixture.experts;
    if (!with.empty())
      REQUIRE(writer.add_tensor(with, DType::F32, std::vector<int64_t>{rows, experts}));
    for (const Tensor& tensor : tensors) {
      if (tensor.name != without)
        REQUIRE(writer.append({tensor.data, static_cast<size_t>(tensor.bytes())}));
    }
    if (!with.empty())
      REQUIRE(writer.append(std::vector<std::byte>(static_cast<size_t>(4 * rows * experts))));
    REQUIRE(writer.finish());
    const auto file = *gguf::GgufFile::open(folder.path("m.gguf"));
    const auto bound = Weights::bind(file, model.config);
    REQUIRE_FALSE(bound.has_value());
    return bound.error().message;
  };
  CHECK(refusal("blk.1.ffn_gate.4.weight", "") ==
        "blk.1.ffn_gate.4.weight: expected this tensor, found none");
  CHECK(refusal("", "blk.0.ffn_up_exps.bias") ==
        "blk.0.ffn_up.0.bias: expected no such tensor beside blk.0.ffn_up_exps.bias");
}

TEST_CASE("The company in which a token visits an expert changes no bit of it") {
  const MadeUpModel model(facts_with_experts());
  for (const kernels::KernelTable* kernels : kernels::testing::kernels_and_plain_tiles()) {
    CAPTURE(kernels->name);
    // The fewest that take the kernels for many.
    const int many = std::max(kernels->dot_tokens, kernels->dot_tokens_f32) + 1;
    if (kTokens / 2 < many) continue;
    const auto whole = forward(model.config, model.weights, *kernels, kTokens);
    const auto parts = forward(model.config, model.weights, *kernels, kTokens / 2);
    const size_t same = static_cast<size_t>(kTokens / 2 * 2 * model.config.vocabulary_size);
    CHECK(std::equal(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(same),
                     parts.begin()));
  }
}

TEST_CASE("Rows have the bits of the company that they ask for") {
  for (const ModelConfig& facts : {small_facts(), facts_with_experts()}) {
    const MadeUpModel model(facts);
    for (const kernels::KernelTable* kernels : kernels::testing::kernels_and_plain_tiles()) {
      CAPTURE(kernels->name);
      // Two heads share keys and values: all tokens at once are enough rows to attend in words.
      for (const DType cached : {DType::F32, DType::F16, DType::Q8_0}) {
        const auto run = [&](int rows, int company) {
          return forward(model.config, model.weights, *kernels, rows, company, cached);
        };
        const auto alone = run(1, 0), whole = run(kTokens, 0);
        CHECK(run(6, 1) == alone);
        CHECK(run(kTokens, 1) == alone);
        CHECK(run(1, kTokens) == whole);
        CHECK(run(3, kTokens) == whole);
      }
    }
  }
}

TEST_CASE("A company is divided among the sequences of a batch") {
  const MadeUpModel model(small_facts());
  constexpr int kTexts = 20;  // whose rows together would attend in words
  for (const kernels::KernelTable* kernels : kernels::available_kernels()) {
    CAPTURE(kernels->name);
    const auto pool = make_workers(2);
    ForwardOptions options;
    options.max_rows = 2 * kTexts;
    options.max_outputs = options.max_sequences = kTexts;
    options.context = cache::kPageTokens;
    const auto made = *Forward::create(model.config, model.weights, *kernels, *pool, options);
    const auto last_logits = [&](int rows, int company) {
      auto cache = *cache::PagedKv::create(model.config.kv_shape(DType::F16, DType::F16),
                                           int64_t{kTexts} * cache::kPageTokens, kTexts);
      std::vector<cache::PageTable> tables;
      for (int t = 0; t < kTexts; ++t) tables.push_back(cache.new_table());
      std::vector<float> logits;
      for (int begin = 0; begin < 2; begin += rows) {
        std::vector<int32_t> ids, outputs;
        std::vector<SequenceRows> sequences;
        for (int t = 0; t < kTexts; ++t) {
          cache::PageTable& table = tables[static_cast<size_t>(t)];
          REQUIRE(cache.extend(table, rows));
          for (int r = begin; r < begin + rows; ++r)
            ids.push_back((3 * t + 5 * r) % model.config.vocabulary_size);
          outputs.push_back(static_cast<int32_t>(ids.size()) - 1);
          sequences.push_back({&table, rows});
        }
        const auto out = *made->run({ids, sequences, outputs, company}, cache);
        logits.assign(out.data, out.data + out.rows * out.columns);
      }
      return logits;
    };
    CHECK(last_logits(2, kTexts) == last_logits(1, 0));
  }
}

TEST_CASE("What is said of bits of batches holds for heads that share keys") {
  const MadeUpModel model(small_facts());
  for (const kernels::KernelTable* kernels : kernels::available_kernels()) {
    CAPTURE(kernels->name);
    const auto pool = make_workers(1);
    const auto made = *Forward::create(model.config, model.weights, *kernels, *pool, {});
    const bool has = kernels->attention_in_words.attend != nullptr;
    const int fewest = static_cast<int>(kernels::kLeastRowsOfFloats) / 2;  // two heads share them
    CHECK(made->computes_alike(fewest, fewest + 1));
    CHECK(made->computes_alike(fewest - 1, fewest) == !has);
  }
}

TEST_CASE("A context beyond the learned positions is refused") {
  ModelConfig config = small_facts();
  config.learned_positions = kTokens - 1;
  const MadeUpModel model(config);
  const auto pool = make_workers(1);
  ForwardOptions options;
  options.context = kTokens;
  const auto made = Forward::create(model.config, model.weights,
                                    *kernels::available_kernels().front(), *pool, options);
  REQUIRE(!made);
  CHECK(made.error().message.find("expected up to 22 tokens") != std::string::npos);
}
