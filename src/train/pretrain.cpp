#include "train/pretrain.h"

#include <fmt/format.h>

#include "base/folder.h"
#include "train/checkpoint.h"
#include "train/config_reader.h"
#include "train/export.h"
#include "train/fresh.h"
#include "train/tokenizer_trainer.h"

namespace issun::train {

namespace {

// What the configuration file says.
struct Config {
  FreshNetwork network;
  TrainingConfig training;
  std::string tokenizer;           // a GGUF file with a vocabulary; or
  TokenizerOptions new_tokenizer;  // one that is learnt from the data first
  DocumentOptions documents;
  DType type = DType::F16;  // of the matrices of the file that is written
};

Result<TokenizerOptions> read_tokenizer(const Json& json) {
  ConfigReader reader(json, "tokenizer");
  TokenizerOptions options;
  const std::string type = TRY(reader.text("type", "bpe"));
  if (type != "bpe" && type != "unigram") {
    return fail("tokenizer.type: expected bpe or unigram, found {}", type);
  }
  options.type = type == "bpe" ? TokenizerType::Bpe : TokenizerType::Unigram;
  options.vocabulary_size = TRY(reader.count("vocabulary_size", 2, 1 << 24));
  options.pre = TRY(reader.text("pre", options.pre));
  TRY(reader.all_known());
  return options;
}

Result<Config> read_config(const std::string& path) {
  const std::string text = TRY(read_text(path));
  const Json json = TRY(Json::parse(text));
  ConfigReader reader(json, "configuration");
  Config config;
  const Json* model = TRY(reader.object("model"));
  const Json* training = TRY(reader.object("training"));
  if (model == nullptr || training == nullptr) {
    return fail("configuration: expected \"model\" and \"training\"");
  }
  config.network = TRY(read_fresh_network(*model));
  TrainingConfig otherwise;
  otherwise.sequence_length = config.network.context_length;
  config.training = TRY(read_training_config(*training, otherwise));
  if (config.training.sequence_length > config.network.context_length) {
    return fail("training.sequence_length: expected at most model.context_length {}, found {}",
                config.network.context_length, config.training.sequence_length);
  }
  if (reader.has("tokenizer") && json["tokenizer"].is_object()) {
    config.new_tokenizer = TRY(read_tokenizer(*TRY(reader.object("tokenizer"))));
  } else {
    config.tokenizer = TRY(reader.text("tokenizer"));
  }
  if (const Json* data = TRY(reader.object("data"))) {
    ConfigReader part(*data, "data");
    config.documents.split = TRY(document_split_from_name(TRY(part.text("split", "file"))));
    config.documents.paragraph_bytes =
        TRY(part.long_count("paragraph_bytes", 1, 1 << 30, config.documents.paragraph_bytes));
    TRY(part.all_known());
  }
  if (const Json* output = TRY(reader.object("output"))) {
    ConfigReader part(*output, "output");
    const std::string type = TRY(part.text("type", "f16"));
    const auto known = dtype_from_name(type);
    if (known != DType::F32 && known != DType::F16 && known != DType::BF16 &&
        known != DType::Q8_0) {
      return fail("output.type: expected f32, f16, bf16 or q8_0, found {}", type);
    }
    config.type = *known;
    TRY(part.all_known());
  }
  TRY(reader.all_known());
  return config;
}

constexpr int64_t kTokenizerSample = 256 << 20;  // bytes of text that a vocabulary is learnt from

// What a vocabulary is learnt from and how, as text: another text is another vocabulary.
Result<std::string> recipe_of(const TokenizerOptions& options,
                              const std::vector<std::string>& data) {
  std::string recipe =
      fmt::format("{} {} {}\n", options.type == TokenizerType::Bpe ? "bpe" : "unigram",
                  options.vocabulary_size, options.pre);
  const Sources sources = TRY(find_sources(data));
  for (const SourceFile& source : sources.files) {
    const File file = TRY(File::open_for_reading(source.path));
    recipe += fmt::format("{} {}\n", source.path, TRY(file.size()));
  }
  return recipe;
}

// The file that has the vocabulary: given, kept from before, or learnt now.
Result<std::string> vocabulary_file(const Config& config, const PretrainOptions& options,
                                    Workers& workers, const SessionReports& reports) {
  if (!config.tokenizer.empty()) return config.tokenizer;
  const std::string path = options.folder + "/tokenizer.gguf";
  const std::string recipe = TRY(recipe_of(config.new_tokenizer, options.data));
  const std::string recipe_path = options.folder + "/tokenizer.txt";
  if (is_file(path) && is_file(recipe_path) && !options.restart) {
    if (TRY(read_text(recipe_path)) == recipe) return path;
    if (!TRY(list_checkpoints(options.folder)).empty()) {
      return fail(
          "{}: expected the tokenizer that was learnt from this data in this way, found "
          "another, which the checkpoints were made with",
          path);
    }
  }
  TextOptions text_options;
  text_options.inputs = options.data;
  text_options.sample_bytes = kTokenizerSample;
  TrainingText text = TRY(TrainingText::open(text_options, workers));
  TokenizerOptions tokenizer = config.new_tokenizer;
  tokenizer.progress = [&](std::string_view what) {
    if (reports.waiting) reports.waiting("tokenizer: " + std::string(what));
  };
  TRY(write_vocabulary(TRY(train_tokenizer(text, tokenizer, workers)), path));
  TRY(write_atomically(recipe_path, recipe));
  return path;
}

// What of the configuration makes the network.
std::string identity_of(const Config& config) {
  const FreshNetwork& n = config.network;
  return fmt::format("{} {}x{} heads {}/{}x{} ffn {} experts {}/{} rope {:.9g} epsilon {:.9g}{}",
                     n.architecture, n.layers, n.embedding_length, n.heads, n.kv_heads,
                     n.head_width, n.feed_forward_length, n.experts_used, n.experts, n.rope_base,
                     n.norm_epsilon, n.tied_output ? " tied" : "");
}

}  // namespace

Result<PretrainReport> pretrain(const PretrainOptions& options, const kernels::KernelTable& kernels,
                                Workers& workers, const SessionReports& reports) {
  auto read = read_config(options.config);
  if (!read) return fail("{}: {}", options.config, read.error().message);
  const Config& config = *read;
  TRY(make_folder(options.folder));
  const std::string initial = options.folder + "/initial.gguf";
  {
    const std::string path = TRY(vocabulary_file(config, options, workers, reports));
    const auto vocabulary = TRY(gguf::GgufFile::open(path));
    TRY(write_fresh_network(config.network, vocabulary.metadata(), config.training.seed, initial));
  }
  const auto model = TRY(model::Model::open(initial));
  Parameters parameters = TRY(Parameters::whole(model->file, model->weights, kernels));
  TRY(remove_file(initial));  // the weights are in memory, and the same again for the same seed

  SessionOptions session{.config = config.training,
                         .data = options.data,
                         .documents = config.documents,
                         .encoder = {.end_of_text = EndOfText::Always},
                         .folder = options.folder,
                         .restart = options.restart,
                         .until = options.until,
                         .identity = identity_of(config)};
  PretrainReport report;
  report.run = TRY(run_session(*model, parameters, kernels, workers, std::move(session), reports));
  if (!report.run.finished) return report;
  report.model = options.folder + "/model.gguf";
  TRY(write_network(model->file, parameters, {.type = config.type}, report.model));
  return report;
}

}  // namespace issun::train
