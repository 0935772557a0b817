#include "import/adapter.h"

#include <algorithm>
#include <cmath>

#include "base/quote.h"
#include "import/family.h"
#include "import/rows.h"
#include "model/adapter.h"
#include "tensor/codec.h"

namespace issun::import {

namespace {

constexpr int64_t kLongestAdapterConfig = 1 << 20;

// The rule of the model's architecture for a module, whichever of its families has it.
const TensorRule* find_rule(std::string_view architecture, std::string_view pattern) {
  for (const Family* family : all_families()) {
    if (architecture != family->architecture) continue;
    for (const auto& rules : {family->tensors, family->more_tensors, family->most_tensors}) {
      for (const TensorRule& rule : rules) {
        if (rule.from == pattern && rule.to != nullptr) return &rule;
      }
    }
  }
  return nullptr;
}

Result<double> read_alpha(const std::string& path) {
  const Result<Json> config = Json::parse(TRY(read_text(path, kLongestAdapterConfig)));
  if (!config) return fail("{}: {}", path, config.error().message);
  const Json& type = (*config)["peft_type"];
  if (!type.is("LORA")) {
    return fail("{}: peft_type: expected LORA, found {}", path,
                type.is_string() ? printable(type.text()) : "none");
  }
  for (const char* kind : {"use_dora", "use_qalora", "lora_bias"}) {
    if ((*config)[kind].is_true()) return fail("{}: {}: expected false", path, kind);
  }
  for (const char* kind : {"rank_pattern", "alpha_pattern"}) {
    if (!(*config)[kind].members().empty()) {
      return fail("{}: {}: expected one rank and one alpha for all modules", path, kind);
    }
  }
  const Json &alpha = (*config)["lora_alpha"], &rank = (*config)["r"];
  if (!alpha.is_number() || !rank.is_integer() || rank.integer() < 1) {
    return fail("{}: expected lora_alpha and r, found none", path);
  }
  // Rank-stabilised: divided by the root of the rank, where the file's readers divide by the rank.
  const double root = (*config)["use_rslora"].is_true() ? std::sqrt(rank.number()) : 1;
  return alpha.number() * root;
}

// "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight": the module, and which half.
struct Half {
  std::string_view module;
  bool b = false;
};
Result<Half> parse_half(std::string_view name) {
  constexpr std::string_view kPrefix = "base_model.model.";
  std::string_view module = name;
  if (module.starts_with(kPrefix)) module.remove_prefix(kPrefix.size());
  for (const char* ending :
       {".lora_A.weight", ".lora_B.weight", ".lora_A.default.weight", ".lora_B.default.weight"}) {
    if (!module.ends_with(ending)) continue;
    const bool b = ending[6] == 'B';
    module.remove_suffix(std::string_view(ending).size());
    return Half{module, b};
  }
  return fail("{}: expected a name that ends in .lora_A.weight or .lora_B.weight", printable(name));
}

Result<PlannedTensor> plan_half(const StoredTensor& stored, const model::Model& model,
                                std::string_view architecture) {
  const Half half = TRY(parse_half(stored.name));
  const StoredName name = parse_stored_name(half.module);
  const TensorRule* rule = find_rule(architecture, name.pattern);
  constexpr Change kWhole[] = {Change::None, Change::QueryHeads, Change::KeyHeads,
                               Change::Transposed};
  const bool whole = rule != nullptr && std::find(std::begin(kWhole), std::end(kWhole),
                                                  rule->change) != std::end(kWhole);
  if (!whole || name.numbers.size() > 1) {
    return fail("{}: expected a matrix of the architecture {} that is stored whole",
                printable(stored.name), architecture);
  }
  if (stored.shape.size() != 2) return fail("{}: expected a matrix", printable(stored.name));
  PlannedTensor planned;
  planned.name = fmt::format("{}.weight.lora_{}",
                             numbered(rule->to, name.numbers.empty() ? -1 : name.numbers[0]),
                             half.b ? 'b' : 'a');
  planned.size = {stored.shape[1], stored.shape[0]};
  planned.columns = stored.shape[1];
  planned.parts = {{{&stored}, 0, stored.rows()}};
  const auto layer = model.config.layers.empty() ? model::LayerConfig() : model.config.layers[0];
  if (half.b && rule->change == Change::QueryHeads) planned.heads = layer.heads;
  if (half.b && rule->change == Change::KeyHeads) planned.heads = layer.kv_heads;
  if (planned.heads > 0 && planned.rows() % (2 * planned.heads) != 0) {
    return fail("{}: expected rows of {} heads, found {} rows", printable(stored.name),
                planned.heads, planned.rows());
  }
  return planned;
}

}  // namespace

Result<void> import_adapter(const std::string& directory, const model::Model& model,
                            const std::string& out) {
  const double alpha = TRY(read_alpha(directory + "/adapter_config.json"));
  const auto stored = TRY(safetensors::SafetensorsSet::open(directory, "adapter_model"));
  const auto architecture =
      TRY(model.file.metadata().require<std::string_view>("general.architecture"));
  std::vector<PlannedTensor> tensors;
  for (const auto& [name, tensor] : stored.tensors()) {
    Result<PlannedTensor> planned = plan_half(*tensor, model, architecture);
    if (!planned) return fail("{}: {}", directory, planned.error().message);
    tensors.push_back(std::move(*planned));
  }
  gguf::GgufWriter writer = TRY(gguf::GgufWriter::create(out));
  TRY(model::write_adapter_keys(architecture, alpha, writer));
  for (const PlannedTensor& tensor : tensors) {
    TRY(writer.add_tensor(tensor.name, DType::F32, tensor.size));
  }
  for (const PlannedTensor& tensor : tensors) {
    const RowReader rows = TRY(RowReader::create(tensor));
    std::vector<float> row(static_cast<size_t>(tensor.columns));
    for (int64_t r = 0; r < tensor.rows(); ++r) {
      rows.read(r, row);
      TRY(writer.append(std::as_bytes(std::span(row))));
    }
  }
  TRY(stored.still_whole());
  return writer.finish();
}

}  // namespace issun::import
