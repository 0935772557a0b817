#include "quantize/plan.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>
#include <tuple>

#include "base/quote.h"
#include "gguf/expert_names.h"
#include "grammar/regex.h"

namespace issun::quantize {

namespace {

struct UserRule {
  std::optional<grammar::Dfa> found;  // all texts in which the pattern is found; none: it is a name
  const TypeRule* rule;
  bool used = false;
};

// Numbers of the first layer where each layer has its own. 0: not said.
Result<int> first_of(const gguf::Metadata& keys, const std::string& key) {
  const gguf::Value* value = keys.find(key);
  if (value == nullptr) return 0;
  int64_t number = 0;
  if (value->type == gguf::ValueType::Array) {
    const auto all = TRY(keys.require<std::vector<int64_t>>(key));
    number = all.empty() ? 0 : all.front();
  } else {
    number = TRY(keys.require<int64_t>(key));
  }
  if (number < 0 || number > 1 << 20)
    return fail("{}: expected a number from 0 to {}, found {}", printable(key), 1 << 20, number);
  return static_cast<int>(number);
}

Result<MixtureFacts> facts_of(const gguf::Metadata& keys, bool importance) {
  const std::string prefix =
      std::string(TRY(keys.require<std::string_view>("general.architecture"))) + ".";
  if (!keys.has(prefix + "block_count"))
    return fail("expected {}block_count, which the mixture depends on", printable(prefix));
  MixtureFacts model;
  model.layers = TRY(first_of(keys, prefix + "block_count"));
  model.heads = TRY(first_of(keys, prefix + "attention.head_count"));
  model.kv_heads = TRY(first_of(keys, prefix + "attention.head_count_kv"));
  if (!keys.has(prefix + "attention.head_count_kv")) model.kv_heads = model.heads;
  model.experts = TRY(first_of(keys, prefix + "expert_count"));
  model.importance = importance;
  return model;
}

PlannedTensor planned(const Tensor& tensor) { return {std::string(tensor.name), tensor.size}; }

bool is_embedding_or_output(std::string_view name) {
  return name == "token_embd.weight" || name == "per_layer_token_embd.weight" ||
         name == "output.weight";
}

// Whether nothing but noise comes out without importance.
bool needs_importance(std::string_view name, DType type, const FileType* file_type) {
  if (is_embedding_or_output(name)) return false;
  switch (type) {
    case DType::IQ1_S:
    case DType::IQ1_M:
    case DType::IQ2_XXS:
    case DType::IQ2_XS:
    case DType::IQ2_S:
    case DType::IQ3_XXS:
      return true;
    case DType::Q2_K:
      return file_type != nullptr && std::string_view(file_type->name) == "Q2_K_S";
    default:
      return false;
  }
}

class Planner {
 public:
  Planner(const gguf::GgufFile& source, const PlanOptions& options)
      : source_(source), options_(options) {}

  Result<Plan> make() {
    TRY(check_method());
    TRY(read_rules());
    TRY(choose_types());
    for (UserRule& rule : rules_) {
      if (rule.used) continue;
      return fail("{}={}: expected the name of a matrix that can be quantised, found none",
                  printable(rule.rule->pattern), name(rule.rule->type));
    }
    for (PlannedType& tensor : plan_.tensors) {
      if (tensor.type == tensor.tensor.type) continue;
      TRY(check_source(tensor));
      note_method(tensor);
      TRY(find_importance(tensor));
    }
    return std::move(plan_);
  }

 private:
  Result<void> read_rules() {
    for (const TypeRule& rule : options_.rules) {
      if (source_.find(rule.pattern)) {
        rules_.push_back({std::nullopt, &rule});
        continue;
      }
      Result<grammar::Dfa> found = grammar::parse_regex(rule.pattern);
      if (!found) return fail("{}: {}", printable(rule.pattern), found.error().message);
      rules_.push_back({std::move(*found), &rule});
    }
    return {};
  }

  // What the file type says, layer after layer, whatever the order of the file. Experts in tensors
  // of their own count as the stack that they would be.
  Result<std::vector<DType>> types_of_mixture() const {
    const std::span<const Tensor> tensors = source_.tensors();
    std::map<std::pair<int, std::string>, std::vector<size_t>> order;  // places in `tensors`
    for (size_t i = 0; i < tensors.size(); ++i)
      order[{layer_of(tensors[i].name), gguf::name_in_stack(tensors[i].name)}].push_back(i);
    std::vector<PlannedTensor> sorted;
    for (const auto& [place, of_it] : order) {
      sorted.push_back({place.second, tensors[of_it[0]].size});
      if (of_it.size() > 1) sorted.back().size[2] = std::ssize(of_it);
    }
    MixtureFacts model;
    if (facts(options_.file_type->base).block > 1)
      model =
          TRY(facts_of(source_.metadata(), options_.importance != nullptr || options_.calibrated));
    const std::vector<DType> found = wanted_types(*options_.file_type, model, sorted);
    std::vector<DType> types(tensors.size());
    auto type = found.begin();
    for (const auto& [place, of_it] : order) {
      for (const size_t i : of_it) types[i] = *type;
      ++type;
    }
    return types;
  }

  Result<void> choose_types() {
    std::vector<DType> wanted;
    if (options_.file_type != nullptr) wanted = TRY(types_of_mixture());
    for (size_t i = 0; i < source_.tensors().size(); ++i) {
      const Tensor& tensor = source_.tensors()[i];
      PlannedType chosen = {tensor, tensor.type};
      if (is_quantised(planned(tensor))) {
        DType type = wanted.empty() ? tensor.type : wanted[i];
        if (const UserRule* rule = rule_for(tensor.name)) {
          type = rule->rule->type;
          chosen.by_rule = true;
        }
        chosen.type = fitting_type(type, tensor.columns());
        if (chosen.type != type) chosen.wanted = type;
      }
      plan_.tensors.push_back(chosen);
    }
    return {};
  }

  // What is said of a stack is said of each of its experts.
  const UserRule* rule_for(std::string_view tensor) {
    const std::u32string text = grammar::characters(tensor);
    const std::string stack = gguf::name_in_stack(tensor);
    const std::u32string of_stack = grammar::characters(stack);
    const auto holds = [&](const UserRule& rule) {
      if (!rule.found) return rule.rule->pattern == tensor;
      return rule.found->accepts(text) || (stack != tensor && rule.found->accepts(of_stack));
    };
    for (UserRule& rule : rules_) {
      if (!holds(rule)) continue;
      rule.used = true;
      return &rule;
    }
    return nullptr;
  }

  Result<void> check_source(const PlannedType& planned) const {
    const DTypeFacts& from = facts(planned.tensor.type);
    if (!from.computable) {
      return fail("{}: expected weights, found {}", printable(planned.tensor.name), from.name);
    }
    if (from.block > 1 && !options_.allow_requantize) {
      return fail(
          "{}: expected a source in F32, F16 or BF16, found {}; --allow-requantize takes it, and "
          "adds one loss to another",
          printable(planned.tensor.name), from.name);
    }
    return {};
  }

  // Formats that were asked for have to be the method's; what else a mixture has is searched.
  Result<void> check_method() const {
    std::vector<DType> asked;
    if (options_.file_type != nullptr) asked.push_back(options_.file_type->base);
    for (const TypeRule& rule : options_.rules) asked.push_back(rule.type);
    for (const DType type : asked) {
      const std::string why = why_not(options_.method, type);
      if (!why.empty()) return fail("{} by {}: {}", name(type), facts(options_.method).name, why);
    }
    return {};
  }

  void note_method(const PlannedType& planned) {
    if (why_not(options_.method, planned.type).empty()) return;
    plan_.notes.push_back(fmt::format("{}: {} is none of the formats of {}: left to the search",
                                      printable(planned.tensor.name), name(planned.type),
                                      facts(options_.method).name));
  }

  Result<void> find_importance(PlannedType& planned) {
    const Tensor& tensor = planned.tensor;
    if (facts(planned.type).block == 1) return {};
    // awq learns importance only of what it stretches.
    const bool learns = options_.calibrated && options_.method != Method::Awq;
    const bool needed = !learns && needs_importance(tensor.name, planned.type, options_.file_type);
    ColumnWeights found;
    if (options_.importance != nullptr) found = TRY(options_.importance->columns_of(tensor));
    if (found.entry == nullptr) {
      if (needed) {
        return fail("{}: expected importance (--imatrix) for {}, which is worthless without",
                    printable(tensor.name), name(planned.type));
      }
      if (options_.importance != nullptr && !is_embedding_or_output(tensor.name))
        plan_.without_importance.emplace_back(tensor.name);
      return {};
    }
    planned.importance = found.values;
    planned.importance_parts = found.parts;
    if (found.entry->unmet > 0 && noted_.insert(found.entry).second) {
      plan_.notes.push_back(fmt::format(
          "{}: {} of {} experts met nothing when importance was measured: all their columns count "
          "alike",
          printable(gguf::name_in_stack(tensor.name)), found.entry->unmet, found.entry->parts));
    }
    return {};
  }

  const gguf::GgufFile& source_;
  const PlanOptions& options_;
  std::vector<UserRule> rules_;
  std::set<const Importance::Entry*> noted_;  // of which a note was written
  Plan plan_;
};

}  // namespace

int layer_of(std::string_view name) {
  constexpr std::string_view kPrefix = "blk.";
  if (!name.starts_with(kPrefix)) return -1;
  return std::atoi(std::string(name.substr(kPrefix.size())).c_str());
}

bool may_have(const Tensor& tensor, DType type, const Importance* importance) {
  if (!is_quantised(planned(tensor)) || fitting_type(type, tensor.columns()) != type) return false;
  const bool weighed = importance != nullptr && importance->says_of(tensor.name);
  return weighed || !needs_importance(tensor.name, type, nullptr);
}

const FileType* main_file_type(const Plan& plan) {
  std::map<DType, int64_t> values;
  for (const PlannedType& planned : plan.tensors) {
    if (is_quantised({std::string(planned.tensor.name), planned.tensor.size}))
      values[planned.type] += planned.tensor.columns() * planned.tensor.rows();
  }
  DType most = DType::F32;
  int64_t count = 0;
  for (const auto& [type, of_it] : values) {
    if (of_it > count) std::tie(most, count) = std::pair(type, of_it);
  }
  const FileType* named = file_type_from_name(name(most));
  if (named != nullptr) return named;
  for (const FileType& type : file_types()) {
    if (type.base == most) return &type;
  }
  return file_type_from_name("F32");
}

Result<Plan> make_plan(const gguf::GgufFile& source, const PlanOptions& options) {
  return Planner(source, options).make();
}

}  // namespace issun::quantize
