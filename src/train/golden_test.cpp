// Whole steps of training against PyTorch's, computed apart from this code in double precision
// (scripts/make_training_golden.py, which says what the files hold).
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "gguf/reader.h"
#include "kernels/dispatch.h"
#include "model/model.h"
#include "source_tree.h"
#include "train/contrastive.h"
#include "train/network.h"
#include "train/optimiser.h"

using namespace issun;
using namespace issun::train;

namespace {

// What F32 leaves of double precision, in measured multiples of its 6e-8: losses and gradients are
// sums over few rows; the first step is a quotient of gradients, in which their errors stay.
constexpr double kLoss = 1e-6, kGradient = 1e-5, kWeights = 1e-6, kChange = 1e-4;

std::string golden(const std::string& name) { return source_path("tests/data/training/" + name); }

template <class T>
T sound(Result<T> result) {
  REQUIRE_MESSAGE(result, (result ? "" : result.error().message));
  return std::move(*result);
}

gguf::GgufFile open_golden(const std::string& name) {
  return sound(gguf::GgufFile::open(golden(name)));
}

std::span<const float> floats(const Tensor& tensor) {
  return {reinterpret_cast<const float*>(tensor.data), tensor.bytes() / sizeof(float)};
}

double length(std::span<const float> a) {
  double sum = 0;
  for (const float x : a) sum += static_cast<double>(x) * static_cast<double>(x);
  return std::sqrt(sum);
}

double distance(std::span<const float> a, std::span<const float> b) {
  REQUIRE(a.size() == b.size());
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double difference = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    sum += difference * difference;
  }
  return std::sqrt(sum);
}

// Each tensor within `tolerance` of the file's, by their norms.
void check_near(const char* what, const Parameters& parameters, std::span<const float> found,
                const gguf::GgufFile& expected, double tolerance) {
  CAPTURE(std::string(what));
  REQUIRE(parameters.list().size() == expected.tensors().size());
  for (const Parameter& p : parameters.list()) {
    CAPTURE(p.name);
    const std::span<const float> values = floats(expected.find(p.name));
    const auto own = found.subspan(static_cast<size_t>(p.first), static_cast<size_t>(p.count()));
    CHECK(distance(own, values) <= tolerance * length(values));
  }
}

std::vector<int32_t> integers(const Json& array) {
  std::vector<int32_t> values;
  for (const Json& item : array.items()) values.push_back(static_cast<int32_t>(item.integer()));
  return values;
}

Batch read_batch(const Json& json) {
  Batch batch;
  batch.sequences = static_cast<int>(json["sequences"].integer());
  batch.length = static_cast<int>(json["length"].integer());
  batch.tokens = integers(json["tokens"]);
  batch.targets = integers(json["targets"]);
  batch.positions = integers(json["positions"]);
  batch.visible_begin = integers(json["visible_begin"]);
  return batch;
}

// The documents of the batch that have a target somewhere: first and second text of each pair in
// turn.
void find_pairs(Batch* batch) {
  int texts = 0;
  for (int64_t row = 0; row < batch->rows();) {
    TextRows text{row, 0};
    const int32_t begin = batch->visible_begin[static_cast<size_t>(row)];
    bool live = false;
    do {
      live = live || batch->targets[static_cast<size_t>(row)] != kNoTarget;
      ++text.rows;
      ++row;
    } while (row % batch->length != 0 && batch->visible_begin[static_cast<size_t>(row)] == begin);
    if (live) (texts++ % 2 == 0 ? batch->queries : batch->candidates).push_back(text);
  }
}

double number(const Json& object, const char* key, double otherwise = 0) {
  return object.has(key) ? object[key].number() : otherwise;
}

ContrastiveOptions contrastive_options(const Json& options) {
  const Json& pooling = options["pooling"];
  return {.temperature = number(options, "temperature"),
          .pooling = pooling.is("mean")   ? PairPooling::Mean
                     : pooling.is("last") ? PairPooling::Last
                                          : PairPooling::First,
          .both_ways = options["both_ways"].is_true()};
}

struct How {
  const kernels::KernelTable* kernels;
  int threads;
  bool recompute;
};

// A case in training.
class Run {
 public:
  Run(const std::string& name, const How& how)
      : json_(sound(Json::parse(sound(read_text(golden(name + "/step.json")))))),
        options_(json_["options"]),
        how_(how),
        workers_(sound(Workers::create(how.threads))),
        model_(open_model(json_["model"])) {
    if (options_.has("rank")) {
      const AdapterOptions adapters{.rank = static_cast<int>(options_["rank"].integer()),
                                    .alpha = number(options_, "alpha")};
      parameters_ = sound(Parameters::adapters(model_->file, model_->weights, adapters));
      const gguf::GgufFile first = open_golden(name + "/adapter.gguf");
      for (const Parameter& p : parameters_.list()) {
        std::ranges::copy(floats(first.find(p.name)), parameters_.values_of(p).begin());
      }
    } else {
      parameters_ = sound(Parameters::whole(model_->file, model_->weights, *how.kernels));
    }
    network_ = make_network(*model_, parameters_);
    if (json_.has("teacher")) {
      teacher_ = open_model(json_["teacher"]);
      teaching_ = make_network(*teacher_, frozen_);
    }
  }

  std::span<const Json> steps() const { return json_["steps"].items(); }
  const Parameters& parameters() const { return parameters_; }
  std::vector<float> values() const {
    return {parameters_.values().begin(), parameters_.values().end()};
  }

  // The gradients of a step, after checks of what its losses are.
  void differentiate(const Json& step) {
    batch_ = read_batch(step["batch"]);
    if (json_["loss"].is("contrastive")) find_pairs(&batch_);
    network_->forward(batch_);
    check_losses(step);
    network_->backward();
  }

  void take(const Json& step) {
    Optimiser optimiser(parameters_, *how_.kernels, *workers_,
                        {.beta1 = number(options_, "beta1"),
                         .beta2 = number(options_, "beta2"),
                         .epsilon = number(options_, "epsilon"),
                         .weight_decay = number(options_, "weight_decay"),
                         .clip = number(options_, "clip")});
    optimiser.taken = taken_;
    const StepReport report = optimiser.step(number(options_, "learning_rate"));
    taken_ = optimiser.taken;
    CHECK(report.taken);
    CHECK(report.gradient_norm ==
          doctest::Approx(number(step, "gradient_norm")).epsilon(kGradient));
  }

 private:
  static std::unique_ptr<model::Model> open_model(const Json& name) {
    return sound(model::Model::open(golden(name.text() + "/initial.gguf")));
  }

  std::unique_ptr<Network> make_network(const model::Model& model, const Parameters& parameters) {
    const Batch batch = read_batch(steps()[0]["batch"]);
    return sound(Network::create(model.config, model.weights, parameters, *how_.kernels, *workers_,
                                 {.sequences = batch.sequences,
                                  .length = batch.length,
                                  .recompute = how_.recompute,
                                  .distils = json_.has("teacher"),
                                  .balance = number(options_, "balance")}));
  }

  void check_losses(const Json& step) {
    const auto near = [&](const char* key, double found) {
      CAPTURE(std::string(key));
      CHECK(found == doctest::Approx(number(step, key)).epsilon(kLoss));
    };
    if (json_["loss"].is("contrastive")) {
      const double pairs = number(step, "pairs");
      const ContrastiveSums sums = contrastive_loss(*network_, batch_, *how_.kernels,
                                                    contrastive_options(options_), 1 / pairs);
      CHECK(sums.pairs == step["pairs"].integer());
      CHECK(sums.hits == step["hits"].integer());
      return near("loss", sums.loss / pairs);
    }
    const double rows = number(step, "rows");
    LossSums sums;
    if (teaching_) {
      teaching_->forward(batch_);
      const double share = number(options_, "share"), heat = number(options_, "temperature");
      sums = network_->distil(*teaching_, share, heat, 1 / rows);
      near("divergence", sums.divergence / rows);
      near("loss",
           ((1 - share) * sums.cross_entropy + share * heat * heat * sums.divergence) / rows);
    } else {
      sums = network_->next_loss(1 / rows);
      const double balance = network_->balance();
      near("balance", balance);
      near("loss", sums.cross_entropy / rows + number(options_, "balance") * balance);
    }
    near("cross_entropy", sums.cross_entropy / rows);
    CHECK(sums.rows == step["rows"].integer());
    CHECK(sums.hits == step["hits"].integer());
    check_loads(step["loads"]);
  }

  void check_loads(const Json& layers) {
    for (size_t l = 0; l < layers.items().size(); ++l) {
      const Json::Array& expected = layers.items()[l].items();
      std::vector<double> loads(expected.size());
      network_->loads(static_cast<int>(l), loads);
      for (size_t e = 0; e < loads.size(); ++e) {
        CHECK(loads[e] == doctest::Approx(expected[e].number()).epsilon(1e-9));
      }
    }
  }

  const Json json_;
  const Json& options_;
  const How how_;
  std::unique_ptr<Workers> workers_;
  std::unique_ptr<model::Model> model_, teacher_;
  Parameters parameters_, frozen_;
  std::unique_ptr<Network> network_, teaching_;
  Batch batch_;
  int64_t taken_ = 0;
};

void check_case(const std::string& name, const How& how) {
  CAPTURE(name);
  CAPTURE(std::string(how.kernels->name));
  CAPTURE(how.recompute);
  Run run(name, how);
  const std::vector<float> before = run.values();
  run.differentiate(run.steps()[0]);
  check_near("gradients", run.parameters(), run.parameters().gradients(),
             open_golden(name + "/gradients.gguf"), kGradient);
  run.take(run.steps()[0]);
  const gguf::GgufFile expected = open_golden(name + "/expected.gguf");
  check_near("weights", run.parameters(), run.parameters().values(), expected, kWeights);
  for (const Parameter& p : run.parameters().list()) {
    CAPTURE(p.name);
    const std::span<const float> after = floats(expected.find(p.name));
    const std::span<const float> first{before.data() + p.first, after.size()};
    CHECK(distance(run.parameters().values_of(p), after) <= kChange * distance(first, after));
  }
  if (run.steps().size() == 1) return;
  for (const Json& step : run.steps().subspan(1)) {
    run.differentiate(step);
    run.take(step);
  }
  check_near("later weights", run.parameters(), run.parameters().values(),
             open_golden(name + "/later.gguf"), kWeights);
}

}  // namespace

TEST_CASE("a step of training is PyTorch's, on every instruction set") {
  for (const kernels::KernelTable* kernels : kernels::available_kernels()) {
    for (const char* name : {"llama", "llama-tied", "qwen3", "gpt2", "mixture", "bidirectional",
                             "last-token", "adapters", "distillation"}) {
      check_case(name, {kernels, 2, false});
    }
  }
}

TEST_CASE("a step that computes its layers twice is PyTorch's too") {
  const kernels::KernelTable* kernels = sound(kernels::choose_kernels());
  for (const char* name : {"llama", "gpt2", "mixture", "adapters"}) {
    check_case(name, {kernels, 1, true});
  }
}
