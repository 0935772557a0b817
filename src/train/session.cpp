#include "train/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string_view>

#include "base/available_memory.h"
#include "base/folder.h"
#include "train/batches.h"
#include "train/pair_batches.h"
#include "train/split.h"

namespace issun::train {

namespace {

// Of what is free, as much as training may plan for.
constexpr double kShareOfMemory = 0.9;

bool has_bf16(const kernels::KernelTable& kernels) {
  return std::string_view(kernels.vectors).find("bf16") != std::string_view::npos;
}

struct Reading {
  double length = 0;    // of a document, about
  bool outputs = true;  // whether what follows each token is guessed
};

// Floating-point operations of a token: two for each multiplication, forward, to what was read, and
// to the matrix where that is trained.
double operations_of(const model::Model& model, const Parameters& parameters,
                     const Reading& reading) {
  const bool matrices = parameters.gradient(model.weights.output.weight) != nullptr;
  double attention = 0;
  for (const model::LayerConfig& layer : model.config.layers) {
    const double seen =
        layer.window != 0 ? std::min<double>(layer.window, reading.length) : reading.length;
    const double causal = model.config.causal ? 0.5 : 1;
    attention += layer.heads * double(layer.key_width + layer.value_width) * seen * causal;
  }
  return (matrices ? 6 : 4) *
             static_cast<double>(model.weights.products_per_token(reading.outputs)) +
         6 * attention;
}

std::string gigabytes(int64_t bytes) {
  return fmt::format("{:.2f} GB", static_cast<double>(bytes) * 1e-9);
}

class Session {
 public:
  Session(const model::Model& model, Parameters& parameters, const kernels::KernelTable& kernels,
          Workers& workers, SessionOptions options, const SessionReports& reports)
      : model_(model),
        parameters_(parameters),
        kernels_(kernels),
        workers_(workers),
        options_(std::move(options)),
        reports_(reports) {}

  Result<RunResult> run() {
    if (!model_.config.causal && !options_.contrastive) {
      return fail(
          "expected a network that sees only what came before, so that the next token can be "
          "learnt; found one that sees both ways, which learns from pairs of texts alone (tune "
          "--contrastive)");
    }
    TRY(make_folder(options_.folder));
    TRY(remove_halves(options_.folder));
    if (options_.restart) TRY(forget_checkpoints(options_.folder));
    TRY(read_data());
    TRY(fill_steps(options_.config, train_->items()));
    TRY(plan());
    const auto network = TRY(Network::create(model_.config, model_.weights, parameters_, kernels_,
                                             workers_, network_options_));
    Run run({.config = options_.config,
             .parameters = &parameters_,
             .network = network.get(),
             .kernels = &kernels_,
             .workers = &workers_,
             .train = train_.get(),
             .valid = valid_.get(),
             .loss = loss(),
             .target = options_.contrastive ? "pair" : "token",
             .data_hash = store_->source_hash() ^ store_->encoder_hash(),
             .identity = identity(),
             .folder = options_.folder,
             .token_operations = plan_.token_operations,
             .still_whole = [this]() -> Result<void> {
               TRY(store_->still_whole());
               return model_.file.still_whole();
             }},
            reports_.run);
    TRY(run.resume());
    return run.go(options_.until);
  }

 private:
  Result<void> read_data() {
    encoder_ = TRY(DocumentEncoder::create(model_.tokenizer, options_.encoder));
    TokenStoreReport report;
    store_ = TRY(open_or_build(
        options_.folder + "/tokens.issun", *encoder_,
        {.sources = options_.data, .documents = options_.documents, .progress = reports_.reading},
        workers_, &report));
    if (!report.rebuilt.empty()) note("the tokens were made again: " + report.rebuilt);
    if (!report.skipped.empty()) {
      note(fmt::format("{} files that are neither .txt, .md nor .jsonl were left out, such as {}",
                       report.skipped.size(), report.skipped[0]));
    }
    const TrainingConfig& config = options_.config;
    DocumentSides sides =
        TRY(split_documents(*store_, {.valid_share = config.valid_share, .seed = config.seed}));
    if (!sides.note.empty()) note(sides.note);
    train_ = TRY(batches_of(std::move(sides.train)));
    const PackingReport& packed = train_->report();
    const bool pairs = options_.contrastive.has_value();
    if (packed.truncated + packed.skipped > 0) {
      note(fmt::format("{} {} were cut at {} tokens, {} {}left out: {} tokens are lost",
                       packed.truncated, pairs ? "texts" : "talks", config.sequence_length,
                       packed.skipped, pairs ? "pairs " : "", packed.lost_tokens));
    }
    if (packed.truncated > 0 && !pairs) TRY(check_learnt());
    if (pairs && config.batch_sequences > train_->items()) {
      return fail("batch: expected at most the {} pairs that there are to learn from, found {}",
                  train_->items(), config.batch_sequences);
    }
    if (pairs && sides.valid.size() == 1) {
      note("nothing is held out: one pair alone has no others to be told apart from");
    } else if (!sides.valid.empty()) {
      auto valid = batches_of(std::move(sides.valid));
      if (!valid && options_.long_talk != LongTalk::Skip) return fail("{}", valid.error().message);
      if (valid) {
        valid_ = std::move(*valid);
      } else {
        note("nothing is held out: all that would be is too long");
      }
    }
    return {};
  }

  Result<std::unique_ptr<BatchSource>> batches_of(std::vector<TokenRange> ranges) const {
    const TrainingConfig& config = options_.config;
    if (!options_.contrastive) {
      return std::make_unique<Batches>(TRY(Batches::create(*store_, std::move(ranges),
                                                           {.length = config.sequence_length,
                                                            .seed = config.seed,
                                                            .long_talk = options_.long_talk})));
    }
    return std::make_unique<PairBatches>(
        TRY(PairBatches::create(*store_, ranges,
                                {.length = config.sequence_length,
                                 .ending = encoder_->ending_tokens(),
                                 .seed = config.seed,
                                 .long_text = options_.long_talk})));
  }

  std::function<LossSums(Network&, const Batch&, double)> loss() const {
    if (!options_.contrastive) {
      return
          [](Network& network, const Batch&, double weight) { return network.next_loss(weight); };
    }
    return [this](Network& network, const Batch& batch, double weight) {
      const ContrastiveSums sums =
          contrastive_loss(network, batch, kernels_, *options_.contrastive, weight);
      return LossSums{.cross_entropy = sums.loss, .rows = sums.pairs, .hits = sums.hits};
    };
  }

  // Talks that were cut may have lost all of their answers.
  Result<void> check_learnt() const {
    Batch batch;
    for (int64_t first = 0; first < train_->items(); first += 64) {
      train_->read(first, 64, &batch);
      if (batch.learnt > 0) return {};
    }
    return fail(
        "expected answers within the first {} tokens of talks, found none: a greater sequence "
        "length is needed",
        options_.config.sequence_length);
  }

  // Memory before the first step: whether layers are kept or run again, and whether it is there.
  Result<void> plan() {
    const TrainingConfig& config = options_.config;
    const int sequences = std::max(train_->most_sequences(config.batch_sequences),
                                   valid_ ? valid_->most_sequences(config.batch_sequences) : 0);
    network_options_ = {
        .sequences = sequences,
        .length = config.sequence_length,
        .recompute = config.recompute == Recompute::On,
        .balance = config.balance / config.accumulate,
        .precision = config.precision.value_or(has_bf16(kernels_) ? kernels::GemmPrecision::BF16
                                                                  : kernels::GemmPrecision::F32)};
    const auto bytes = [&] {
      return Network::planned_bytes(model_.config, model_.weights, network_options_,
                                    workers_.count());
    };
    plan_.network_bytes = TRY(bytes());
    plan_.parameter_bytes = parameters_.bytes();
    plan_.available_bytes = available_memory_bytes();
    const double free = kShareOfMemory * static_cast<double>(plan_.available_bytes);
    // Of the parameters only the values are in memory yet; gradients and moments are still to come.
    const auto fits = [&] {
      const double needed = static_cast<double>(plan_.network_bytes) +
                            0.75 * static_cast<double>(plan_.parameter_bytes);
      return plan_.available_bytes < 0 || needed <= free;
    };
    if (config.recompute == Recompute::Auto && !fits()) {
      network_options_.recompute = true;
      plan_.network_bytes = TRY(bytes());
    }
    plan_.recompute = network_options_.recompute;
    plan_.precision = network_options_.precision;
    plan_.parameters = parameters_.count();
    plan_.tokens = train_->tokens();
    plan_.valid_tokens = valid_ ? valid_->tokens() : 0;
    plan_.steps = config.schedule.steps;
    plan_.step_tokens = int64_t{config.accumulate} * config.batch_sequences * train_->item_tokens();
    Reading reading{.length = static_cast<double>(config.sequence_length)};
    if (options_.contrastive) {
      plan_.pairs = train_->items();
      plan_.valid_pairs = valid_ ? valid_->items() : 0;
      plan_.step_pairs = config.batch_sequences;
      reading = {.length = static_cast<double>(train_->item_tokens()) / 2, .outputs = false};
    }
    plan_.token_operations = operations_of(model_, parameters_, reading);
    if (!fits()) {
      return fail(
          "{} sequences of {} tokens: expected at most {} of memory, found a need of {} for "
          "activations beside {} for parameters: {} need less{}",
          sequences, config.sequence_length, gigabytes(static_cast<int64_t>(free)),
          gigabytes(plan_.network_bytes), gigabytes(plan_.parameter_bytes),
          options_.contrastive ? "fewer pairs and shorter texts"
                               : "fewer sequences at once, and more accumulated,",
          plan_.recompute ? "" : "; so do layers that are run again (recompute)");
    }
    if (reports_.plan) reports_.plan(plan_);
    return {};
  }

  std::string identity() const {
    return fmt::format("{}; {}; long talks {}; {}", options_.identity, fingerprint(options_.config),
                       static_cast<int>(options_.long_talk),
                       plan_.precision == kernels::GemmPrecision::BF16 ? "bf16" : "f32");
  }
  void note(const std::string& sentence) const {
    if (reports_.run.note) reports_.run.note(sentence);
  }

  const model::Model& model_;
  Parameters& parameters_;
  const kernels::KernelTable& kernels_;
  Workers& workers_;
  SessionOptions options_;
  const SessionReports& reports_;
  std::optional<DocumentEncoder> encoder_;
  std::optional<TokenStore> store_;
  std::unique_ptr<BatchSource> train_, valid_;
  NetworkOptions network_options_;
  SessionPlan plan_;
};

}  // namespace

Result<RunResult> run_session(const model::Model& model, Parameters& parameters,
                              const kernels::KernelTable& kernels, Workers& workers,
                              SessionOptions options, const SessionReports& reports) {
  return Session(model, parameters, kernels, workers, std::move(options), reports).run();
}

Result<void> forget_checkpoints(const std::string& folder) {
  const std::vector<std::string> names = TRY(list_checkpoints(folder));
  for (const std::string& name : names) {
    TRY(remove_file(folder + "/" + name));
  }
  return {};
}

}  // namespace issun::train
