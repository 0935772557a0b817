#include <map>

#include "apps/commands.h"
#include "apps/default_model.h"
#include "apps/json.h"
#include "base/quote.h"
#include "base/streams.h"
#include "base/utf8.h"
#include "cache/hadamard.h"

namespace issun::apps {

namespace {

constexpr size_t kShownElements = 8;  // of an array

struct InspectFlags {
  ModelFlags model;
  bool json = false;
};

Json element(std::string_view text) { return repaired_utf8(text); }
template <class T>
Json element(T number) {
  return number;
}

// Arrays are told by their length and first elements: vocabularies have a hundred thousand.
Json to_json(const gguf::Value& value) {
  return std::visit(
      [&](const auto& data) -> Json {
        if constexpr (
            requires {
              data.size();
              data.begin()->size();
            } ||
            requires {
              data.empty();
              data[0] + 1;
            }) {
          Json first = Json::array();
          for (size_t i = 0; i < data.size() && i < kShownElements; ++i)
            first.push_back(element(data[i]));
          if (data.size() <= kShownElements) return first;
          return {
              {"array_of", gguf::name(value.element)}, {"count", data.size()}, {"first", first}};
        } else {
          return element(data);
        }
      },
      value.data);
}
Json metadata_json(const gguf::Value& value) {
  if (const auto* text = std::get_if<std::string_view>(&value.data)) return repaired_utf8(*text);
  return to_json(value);
}

Json tensors_json(const gguf::GgufFile& file) {
  Json tensors = Json::array();
  for (const Tensor& tensor : file.tensors()) {
    tensors.push_back({{"name", repaired_utf8(tensor.name)},
                       {"type", name(tensor.type)},
                       {"shape", tensor.size},
                       {"bytes", tensor.bytes()}});
  }
  return tensors;
}

Json types_json(const gguf::GgufFile& file) {
  std::map<std::string, std::pair<int64_t, int64_t>> types;
  for (const Tensor& tensor : file.tensors()) {
    auto& [count, bytes] = types[name(tensor.type)];
    ++count;
    bytes += tensor.bytes();
  }
  Json json = Json::object();
  for (const auto& [type, sums] : types)
    json[type] = {{"tensors", sums.first}, {"bytes", sums.second}};
  return json;
}

Json tokenizer_json(const tokenizer::Tokenizer& tokenizer) {
  const auto token = [&](int32_t id) -> Json {
    if (id < 0) return nullptr;
    return {{"id", id}, {"text", repaired_utf8(tokenizer.token_text(id))}};
  };
  return {{"model", tokenizer.model()},
          {"pre", tokenizer.pre()},
          {"tokens", tokenizer.vocabulary_size()},
          {"bos", token(tokenizer.bos())},
          {"eos", token(tokenizer.eos())},
          {"adds_bos", tokenizer.adds_bos()},
          {"adds_eos", tokenizer.adds_eos()}};
}

// The matrix that spreads the rows of each width, if they are rotated.
Json rotation_json(bool rotates, const model::ModelConfig& config,
                   int model::LayerConfig::*head_width, int spread) {
  Json matrices = Json::object();
  for (const model::LayerConfig& layer : config.layers) {
    if (!rotates || !layer.attends()) continue;
    const int width = layer.*head_width;
    matrices[std::to_string(width)] = cache::hadamard_name(width, spread);
  }
  return matrices;
}

// Where weights come and go, once more of the cache than that is in use.
Json streaming_json(const engine::MemoryChoice& choice) {
  const model::ResidencyPlan& weights = choice.weights;
  return {{"mapped_cache_bytes", choice.options.residency.mapped_cache_bytes},
          {"unit", weights.mixture ? "expert" : "layer"},
          {"units", weights.units},
          {"unit_bytes", weights.unit_bytes},
          {"reads_per_unit", weights.reads_per_unit},
          {"pinned_bytes", weights.pinned_bytes},
          {"streamed_bytes", weights.streamed_bytes},
          {"budget_bytes", weights.budget_bytes},
          {"passing_bytes", weights.passing_bytes},
          {"token_bytes", weights.token_bytes}};
}

Json memory_json(const engine::MemoryChoice& choice, const model::ModelConfig& config) {
  const model::MemoryPlan& plan = choice.plan;
  const engine::RuntimeOptions& options = choice.options;
  return {
      {"streaming", choice.streams ? streaming_json(choice) : Json(nullptr)},
      {"context", options.context},
      {"cache", engine::describe_cache(options)},
      {"cache_type_k", name(options.key_type)},
      {"cache_type_v", name(options.value_type)},
      {"cache_rotation_k", rotation_json(options.rotates_keys(), config,
                                         &model::LayerConfig::key_width, cache::kKeySpread)},
      {"cache_rotation_v", rotation_json(options.rotates_values(), config,
                                         &model::LayerConfig::value_width, cache::kValueSpread)},
      {"threads", options.threads},
      {"batch", options.max_rows},
      {"weights_bytes", plan.weights},
      {"cache_bytes", plan.cache},
      {"working_bytes", plan.working},
      {"program_bytes", plan.program},
      {"total_bytes", plan.total()}};
}

Json model_json(const model::ModelConfig& config, const model::Weights& weights) {
  const model::LayerConfig& layer = config.layers[0];
  return {{"architecture", config.architecture},
          {"name", repaired_utf8(config.name)},
          {"layers", config.layers.size()},
          {"embedding_length", config.embedding_length},
          {"heads", layer.heads},
          {"kv_heads", layer.kv_heads},
          {"head_width", layer.key_width},
          {"feed_forward_length", layer.feed_forward_length},
          {"experts", layer.mixture.experts},
          {"experts_used", layer.mixture.used},
          {"vocabulary_size", config.vocabulary_size},
          {"context_length", config.context_length},
          {"products_per_token", weights.products_per_token(true)},
          {"weight_bytes_per_token", weights.bytes_per_token()},
          {"tied_output", weights.tied_output}};
}

// What the parts of the program that only need some of the file say of it. A file that cannot be
// run here is still described; the reason stands where the plan would.
Result<Json> describe(const InspectFlags& flags) {
  const bool built_in = flags.model.path.empty();
  // First, since what the report itself takes is no part of the plan.
  const auto opened = flags.model.open_model();
  Json planned;
  if (opened) {
    const model::Model& model = **opened;
    const auto options = TRY(engine::resolve(TRY(flags.model.runtime_options()), model.config));
    planned["model"] = model_json(model.config, model.weights);
    planned["tokenizer"] = tokenizer_json(model.tokenizer);
    planned["tokenizer"]["chat_template"] = !model.chat_template.empty();
    planned["memory"] = memory_json(
        TRY(engine::choose_memory(model, *TRY(kernels::choose_kernels()), options)), model.config);
  } else {
    planned["cannot_run"] = opened.error().message;
  }
  Json report;
  report["file"] = flags.model.model_name();
  const gguf::GgufFile file =
      TRY(built_in ? gguf::GgufFile::parse(default_model(), kDefaultModelName)
                   : gguf::GgufFile::open(flags.model.path));
  report["version"] = file.version();
  report["alignment"] = file.alignment();
  report["bytes"] = file.file_bytes();
  report["tensor_bytes"] = file.data_bytes();
  report["metadata"] = Json::object();
  for (const auto& entry : file.metadata().entries()) {
    report["metadata"][repaired_utf8(entry.key)] = metadata_json(entry.value);
  }
  report["types"] = types_json(file);
  report["tensors"] = tensors_json(file);
  report.update(planned);
  return report;
}

std::string bytes_and_mebibytes(const Json& bytes) {
  return fmt::format("{:>14} bytes {:>10.1f} MiB", bytes.get<int64_t>(),
                     bytes.get<double>() / (1 << 20));
}

void print_memory(const Json& memory) {
  write_out(
      fmt::format("\nmemory with a context of {} tokens, {} cache, batches of {}, {} threads\n",
                  memory["context"].get<int64_t>(), memory["cache"].get<std::string>(),
                  memory["batch"].get<int>(), memory["threads"].get<int>()));
  for (const char* part : {"weights", "cache", "working", "program", "total"}) {
    write_out(fmt::format("  {:<10}{}\n", part,
                          bytes_and_mebibytes(memory[std::string(part) + "_bytes"])));
  }
  for (const char* side : {"k", "v"}) {
    for (const auto& [width, matrix] : memory[fmt::format("cache_rotation_{}", side)].items()) {
      write_out(fmt::format("  {} rows of {} numbers are rotated by {}\n", side, width,
                            matrix.get<std::string>()));
    }
  }
}

void print_readable(const Json& report) {
  write_out(fmt::format("{}: GGUF version {}, {} bytes\n\nmetadata\n",
                        visible(report["file"].get<std::string>()), report["version"].get<int>(),
                        report["bytes"].get<int64_t>()));
  for (const auto& [key, value] : report["metadata"].items()) {
    std::string text = dump(value);
    constexpr size_t kWidest = 160;
    if (text.size() > kWidest)
      text =
          fmt::format("{}... ({} characters)", repaired_utf8(text.substr(0, kWidest)), text.size());
    write_out(fmt::format("  {:<44} {}\n", visible(key), visible(text)));
  }
  write_out("\ntensors\n");
  for (const Json& tensor : report["tensors"]) {
    write_out(fmt::format(
        "  {:<36} {:<8} {:<24} {:>14} bytes\n", visible(tensor["name"].get<std::string>()),
        tensor["type"].get<std::string>(), tensor["shape"].dump(), tensor["bytes"].get<int64_t>()));
  }
  write_out("\ntypes\n");
  for (const auto& [type, sums] : report["types"].items()) {
    write_out(fmt::format("  {:<8} {:>5} tensors {}\n", type, sums["tensors"].get<int>(),
                          bytes_and_mebibytes(sums["bytes"])));
  }
  if (report.contains("cannot_run")) {
    write_out(fmt::format("\nthis version cannot run it: {}\n",
                          visible(report["cannot_run"].get<std::string>())));
    return;
  }
  for (const char* part : {"model", "tokenizer"}) {
    write_out(fmt::format("\n{}\n", part));
    for (const auto& [key, value] : report[part].items())
      write_out(fmt::format("  {:<24} {}\n", key, visible(dump(value))));
  }
  print_memory(report["memory"]);
}

Result<int> inspect(const InspectFlags& flags) {
  const Json report = TRY(describe(flags));
  if (flags.json) {
    write_out(dump(report, 2) + "\n");
  } else {
    print_readable(report);
  }
  return kDone;
}

}  // namespace

void add_inspect(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand(
      "inspect", "what a model file holds, and the memory it will take, before it is loaded");
  auto flags = std::make_shared<InspectFlags>();
  flags->model.add(*command);
  command->add_flag("--json", flags->json, "as JSON");
  command->callback([flags, &action] { action = [flags] { return inspect(*flags); }; });
}

}  // namespace issun::apps
