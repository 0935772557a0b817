// Truth: the whole network at once, and plain sums.
#include "quantize/one_layer.h"

#include <doctest/doctest.h>

#include <cmath>

#include "kernels/dispatch.h"
#include "model/made_up.h"
#include "model/sequence.h"
#include "quantize/folds.h"
#include "quantize/gather.h"
#include "source_tree.h"

using namespace issun;
using namespace issun::quantize;

namespace {

constexpr int kWindow = 16;

std::unique_ptr<model::Model> stories() {
  return *model::Model::open(source_path("models/stories260K.gguf"));
}

std::vector<int32_t> some_tokens(int count) {
  std::vector<int32_t> tokens;
  for (int i = 0; i < count; ++i) tokens.push_back(3 + i * 37 % 500);
  return tokens;
}

// What the matrices of the whole network read, first those of the first run.
struct RowsRead final : model::ProductObserver {
  std::map<std::string, std::vector<float>, std::less<>> rows;
  void see(const Tensor& weights, int, const Matrix<const float>& in) override {
    std::vector<float>& all = rows[std::string(weights.name)];
    for (int64_t t = 0; t < in.rows; ++t) all.insert(all.end(), in.row(t), in.row(t) + in.columns);
  }
};

RowsRead rows_of_whole(const model::Model& model, const std::vector<int32_t>& tokens,
                       Workers& workers) {
  RowsRead rows;
  model::ForwardOptions options;
  options.max_rows = options.max_outputs = options.context = kWindow;
  options.exact = true;
  options.observer = &rows;
  const auto forward = *model::Forward::create(model.config, model.weights,
                                               **kernels::choose_kernels(), workers, options);
  auto cache = *cache::PagedKv::create(model.config.kv_shape(DType::F32, DType::F32), kWindow);
  for (size_t first = 0; first < tokens.size(); first += kWindow) {
    model::Sequence sequence(*forward, cache);
    REQUIRE(sequence.append(std::span(tokens).subspan(first, kWindow), model::Wanted::All));
  }
  return rows;
}

}  // namespace

TEST_CASE("layers one by one see what they see in the whole network, and their Hessians are sums") {
  const auto model = stories();
  const auto workers = *Workers::create(2);
  const kernels::KernelTable& kernels = **kernels::choose_kernels();
  const auto gemm = *kernels::GemmScratch::create(2);
  const std::vector<int32_t> tokens = some_tokens(3 * kWindow);
  const RowsRead whole = rows_of_whole(*model, tokens, *workers);
  const auto layers = *OneLayer::create(*model, tokens, kWindow, kernels, *workers);
  CHECK(layers->tokens() == 3 * kWindow);
  for (int l = 0; l < static_cast<int>(model->config.layers.size()); ++l) {
    CAPTURE(l);
    const model::LayerWeights& weights = model->weights.layers[static_cast<size_t>(l)];
    Stages stages;
    REQUIRE(layers->look(l, weights, &stages, true));
    CHECK(stages.count() == 4);
    const std::string block = fmt::format("blk.{}.", l);
    CHECK(stages.of(block + "attn_q.weight") == stages.of(block + "attn_v.weight"));
    CHECK(stages.of(block + "ffn_gate.weight") == stages.of(block + "ffn_up.weight"));
    CHECK(stages.of(block + "ffn_up.weight") < stages.of(block + "ffn_down.weight"));
    for (const char* part : {"attn_v", "attn_output", "ffn_up", "ffn_down"}) {
      const std::string name = block + part + ".weight";
      CAPTURE(name);
      RowsRead rows;
      REQUIRE(layers->look(l, weights, &rows));
      CHECK(rows.rows[name] == whole.rows.at(name));
      Gatherer gatherer(stages, stages.of(name), kernels, *workers, gemm);
      REQUIRE(layers->look(l, weights, &gatherer));
      REQUIRE(gatherer.hessians().size() == 1);
      const Hessian& hessian = gatherer.hessians().at(-1);
      CHECK(hessian.inputs == 3 * kWindow);
      const auto n = static_cast<size_t>(hessian.n);
      for (const size_t i : {size_t{0}, n / 2, n - 1}) {
        for (size_t j = 0; j < n; j += 5) {
          double sum = 0, size = 0;
          for (size_t t = 0; t < 3 * kWindow; ++t) {
            const double a = static_cast<double>(rows.rows[name][t * n + i]);
            const double b = static_cast<double>(rows.rows[name][t * n + j]);
            sum += a * b;
            size += std::fabs(a * b);
          }
          CHECK(std::fabs(static_cast<double>(hessian.sums[i * n + j]) - sum) < 1e-5 * size + 1e-9);
        }
      }
    }
    REQUIRE(layers->advance(l, weights));
  }
}

TEST_CASE("columns are stretched where it can be taken back, and the rest is said") {
  model::ModelConfig facts = model::small_facts();
  const model::MadeUpModel grouped(facts, {.biases = true});
  const Folds some = folds_of(facts, grouped.weights.layers[0], 0);
  REQUIRE(some.folds.size() == 3);
  CHECK(some.folds[0].readers.size() == 3);
  CHECK(some.folds[0].vectors.size() == 2);  // gains and bias of the norm
  CHECK(some.folds[2].giver.name == "blk.0.ffn_up.weight");
  CHECK(some.folds[2].vectors.size() == 1);
  CHECK(some.notes.size() == 1);  // four heads share two of values
  for (model::LayerConfig& layer : facts.layers) layer.kv_heads = layer.heads;
  const model::MadeUpModel single(facts);
  const Folds all = folds_of(facts, single.weights.layers[1], 1);
  CHECK(all.folds.size() == 4);
  CHECK(all.notes.empty());
  const model::MadeUpModel experts(model::facts_with_experts());
  const Folds few = folds_of(experts.config, experts.weights.layers[0], 0);
  CHECK(few.folds.size() == 1);
  CHECK(few.notes.size() == 2);
}
