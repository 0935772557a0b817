#include "measure/routers.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <set>

#include "base/file.h"
#include "kernels/dispatch.h"
#include "measure/given_vocabulary.h"
#include "measure/random_rows.h"
#include "measure/synth.h"
#include "model/forward.h"
#include "model/model.h"
#include "model/sequence.h"
#include "scratch_folder.h"

using namespace issun;
using namespace issun::measure;

namespace {

constexpr uint64_t kSeed = 5;
constexpr int kTokens = 120;  // with counts, of the 1024 there are

int favourite(int sampled, int32_t token) { return (token * 5 + sampled * 3 + token / 8) % 8; }

// Each token has a favourite in each of two sampled layers, where half of its visits go (it can
// not be more, with two experts used), and a rank: Zipf's frequencies.
RoutingCounts made_up_counts() {
  RoutingCounts counts{.layers = {}, .experts = 8, .tokens = kTokens};
  for (int s = 0; s < 2; ++s) {
    auto& layer = counts.layers.emplace_back();
    for (int32_t token = 0; token < kTokens; ++token) {
      const int64_t visits = 140'000 / (token + 10);
      for (int e = 0; e < 8; ++e)
        layer.push_back({e, token, e == favourite(s, token) ? visits / 2 : visits / 14});
    }
  }
  return counts;
}

// The experts that one token after another visits in each layer.
struct Visits final : model::ProductObserver {
  std::map<int, std::set<int>> experts;
  void see(const Tensor& weights, int expert, const Matrix<const float>&) override {
    if (weights.name.find("ffn_gate_exps") == std::string_view::npos) return;
    experts[std::atoi(weights.name.data() + 4)].insert(expert);
  }
};

void write(const std::string& path, const SynthRouting& routing) {
  const auto report =
      write_synthetic(*shape_from_name("tiny-moe"), *quantize::file_type_from_name("Q8_0"), path,
                      {.seed = kSeed, .routing = &routing});
  REQUIRE_MESSAGE(report.has_value(), report.error().message);
  CHECK(report->routed_tokens == kTokens);
}

}  // namespace

TEST_CASE("tokens visit the expert that the counts name, in every layer of a whole model") {
  const SynthRouting routing{.counts = made_up_counts()};
  const ScratchFolder folder;
  write(folder.path("routed.gguf"), routing);
  const auto model = *model::Model::open(folder.path("routed.gguf"));
  const Shape& shape = *shape_from_name("tiny-moe");
  const Routers routers = *Routers::plan(routing.counts, {.layers = shape.layers,
                                                          .experts = shape.extras.experts,
                                                          .used = shape.extras.experts_used,
                                                          .embedding = shape.embedding,
                                                          .vocabulary = shape.vocabulary});
  const auto workers = *Workers::create(1);
  Visits visits;
  constexpr int kLength = 400;
  model::ForwardOptions options{.max_rows = 1, .context = kLength, .exact = true};
  options.observer = &visits;
  const auto forward = *model::Forward::create(model->config, model->weights,
                                               **kernels::choose_kernels(), *workers, options);
  auto cache = *cache::PagedKv::create(model->config.kv_shape(DType::F32, DType::F32), kLength);
  model::Sequence sequence(*forward, cache);
  Random random(3);
  std::vector<int> hits(static_cast<size_t>(shape.layers));
  std::map<std::pair<int, int32_t>, std::set<std::set<int>>> choices;
  for (int i = 0; i < kLength; ++i) {
    // About as often as the counts have it.
    const auto token = static_cast<int32_t>(kTokens * std::pow(random.uniform(0, 1), 2));
    visits.experts.clear();
    REQUIRE(sequence.append(std::span(&token, 1), model::Wanted::None).has_value());
    for (int l = 0; l < shape.layers; ++l) {
      const auto sources = routers.sources(l, router_seed(l, kSeed));
      REQUIRE(visits.experts[l].size() == 2);
      choices[{l, token}].insert(visits.experts[l]);
      for (const int expert : visits.experts[l]) {
        const Routers::Source& source = sources[static_cast<size_t>(expert)];
        CHECK(source.sampled == (l < 2 ? 0 : 1));
        if (source.expert == favourite(source.sampled, token)) ++hits[static_cast<size_t>(l)];
      }
    }
  }
  // Chance is 2 of 8.
  for (const int hit : hits) {
    MESSAGE("favourites chosen: " << hit << " of " << kLength);
    CHECK(hit > 0.75 * kLength);
  }
  // What stands before a token has a say in the second choice at least.
  const auto moved = std::count_if(choices.begin(), choices.end(),
                                   [](const auto& choice) { return choice.second.size() > 1; });
  CHECK(moved > 20);
}

TEST_CASE("a routed file is the same for the same seed and counts, and another for other counts") {
  SynthRouting routing{.counts = made_up_counts()};
  const ScratchFolder folder;
  const std::string first = folder.path("1.gguf"), again = folder.path("2.gguf"),
                    other = folder.path("3.gguf");
  write(first, routing);
  write(again, routing);
  for (RoutingCount& count : routing.counts.layers[1]) count.expert = (count.expert + 1) % 8;
  write(other, routing);
  CHECK(read_text(first).value() == read_text(again).value());
  CHECK(read_text(first).value() != read_text(other).value());
}

TEST_CASE("layers have orders of their own, and more experts come from further sampled layers") {
  const RouterShape shape{
      .layers = 6, .experts = 16, .used = 2, .embedding = 8, .vocabulary = kTokens};
  const Routers routers = *Routers::plan(made_up_counts(), shape);
  std::set<std::vector<int>> orders;
  for (int l = 0; l < shape.layers; ++l) {
    std::set<int> seen;
    std::vector<int> order;
    for (const auto& source : routers.sources(l, router_seed(l, 1)))
      order.push_back(source.sampled * 8 + source.expert);
    seen.insert(order.begin(), order.end());
    CHECK(seen.size() == 16);
    orders.insert(order);
  }
  CHECK(orders.size() == 6);
}

TEST_CASE("counts that do not fit a shape are refused with what was expected") {
  const RouterShape shape{
      .layers = 4, .experts = 8, .used = 2, .embedding = 8, .vocabulary = kTokens};
  const auto refusal = [](const RoutingCounts& counts, const RouterShape& wanted) {
    const auto routers = Routers::plan(counts, wanted);
    return routers ? std::string() : routers.error().message;
  };
  RouterShape other = shape;
  CHECK(refusal(made_up_counts(), shape).empty());
  other.vocabulary = kTokens - 1;
  CHECK(refusal(made_up_counts(), other) == "counts: expected tokens below 119, found 119");
  other = shape;
  other.experts = 4;
  CHECK(refusal(made_up_counts(), other) == "counts: expected experts below 4, found 7");
  other.experts = 32;
  CHECK(refusal(made_up_counts(), other) ==
        "counts: expected 4 sampled layers to make 32 experts of 8 a layer, found 2");
  CHECK(refusal({.layers = {{}}, .experts = 8, .tokens = 0}, shape) ==
        "counts: expected tokens, found none");
}

TEST_CASE("routing for a shape without experts is refused, and so is a vocabulary too large") {
  const SynthRouting routing{.counts = made_up_counts()};
  const ScratchFolder folder;
  const auto dense =
      write_synthetic(*shape_from_name("tiny"), *quantize::file_type_from_name("F16"),
                      folder.path("refused.gguf"), {.routing = &routing});
  REQUIRE_FALSE(dense.has_value());
  CHECK(dense.error().message == "tiny: expected a shape with experts for routing, found none");
  CHECK(folder.empty());
  import::Vocabulary vocabulary;
  vocabulary.tokens = {"a", "b", "c"};
  vocabulary.kinds.resize(3, import::TokenKind::Normal);
  CHECK(fitted_vocabulary(vocabulary, 5)->tokens.size() == 5);
  CHECK(fitted_vocabulary(vocabulary, 5)->kinds.back() == import::TokenKind::Unused);
  const auto larger = fitted_vocabulary(vocabulary, 2);
  REQUIRE_FALSE(larger.has_value());
  CHECK(larger.error().message ==
        "vocabulary: expected at most the 2 tokens of the shape, found 3");
}
