#include "grammar/schema_constants.h"

#include "grammar/number_language.h"
#include "grammar/regex.h"

namespace issun::grammar {

namespace {

using Op = FormulaNode::Op;

NodeId add(Formula& formula, FormulaNode node) {
  formula.nodes.push_back(std::move(node));
  return static_cast<NodeId>(formula.nodes.size()) - 1;
}

NodeId of_kind(Formula& formula, uint32_t kinds, std::vector<NodeId> conditions) {
  conditions.push_back(add(formula, {.op = Op::Kinds, .kinds = kinds}));
  return add(formula, {.op = Op::All, .children = std::move(conditions)});
}

// All texts of one number.
Result<std::string> number_pattern(const Json& value) {
  const Decimal decimal = TRY(decimal_of(value));
  const bool zero = decimal.whole == "0" && decimal.fraction.empty();
  return fmt::format("{}{}{}",
                     zero               ? "-?"
                     : decimal.negative ? "-"
                                        : "",
                     decimal.whole,
                     decimal.fraction.empty() ? "(?:[.]0+)?" : "[.]" + decimal.fraction + "0*");
}

Result<NodeId> add_list(Formula& formula, const Json& list) {
  const auto count = static_cast<int64_t>(list.items().size());
  std::vector<NodeId> parts = {add(formula, {.op = Op::ItemCount, .least = count}),
                               add(formula, {.op = Op::ItemCount, .most = count})};
  for (size_t i = 0; i < list.items().size(); ++i) {
    const NodeId item = TRY(add_constants(formula, {list.items()[i]}));
    parts.push_back(add(formula, {.op = Op::Item, .children = {item}, .index = i}));
  }
  return of_kind(formula, kArray, std::move(parts));
}

Result<NodeId> add_object(Formula& formula, const Json& object) {
  const int64_t count = static_cast<int64_t>(object.members().size());
  std::vector<NodeId> parts = {add(formula, {.op = Op::PropertyCount, .most = count})};
  for (const auto& [key, value] : object.members()) {
    const NodeId child = TRY(add_constants(formula, {value}));
    parts.push_back(add(formula, {.op = Op::Property, .children = {child}, .name = key}));
    parts.push_back(add(formula, {.op = Op::Required, .name = key}));
  }
  return of_kind(formula, kObject, std::move(parts));
}

}  // namespace

uint32_t kind_named(std::string_view name) {
  if (name == "null") return kNull;
  if (name == "boolean") return kFalse | kTrue;
  if (name == "integer") return kInteger;
  if (name == "number") return kNumber | kInteger;
  if (name == "string") return kString;
  if (name == "array") return kArray;
  if (name == "object") return kObject;
  return 0;
}

Result<NodeId> add_constants(Formula& formula, const std::vector<Json>& values) {
  uint32_t simple = 0;
  std::vector<std::u32string> words;
  std::string numbers;
  std::vector<NodeId> choices;
  for (const Json& value : values) {
    if (value.is_null()) simple |= kNull;
    if (value.is_bool()) simple |= value.boolean() ? kTrue : kFalse;
    if (value.is_string()) {
      words.push_back(characters(value.text()));
    }
    if (value.is_number()) {
      numbers += (numbers.empty() ? "" : "|") + TRY(number_pattern(value));
    }
    if (value.is_array()) choices.push_back(TRY(add_list(formula, value)));
    if (value.is_object()) choices.push_back(TRY(add_object(formula, value)));
  }
  if (simple != 0) choices.push_back(add(formula, {.op = Op::Kinds, .kinds = simple}));
  if (!words.empty()) {
    Language language = Language::of(TRY(Dfa::words(words)));
    TRY(formula.work.spend(language.work()));
    const NodeId node = add(formula, {.op = Op::String, .language = std::move(language)});
    choices.push_back(of_kind(formula, kString, {node}));
  }
  if (!numbers.empty()) {
    Language language = Language::of(TRY(parse_regex("^(?:" + numbers + ")$")));
    TRY(formula.work.spend(language.work()));
    const NodeId node = add(formula, {.op = Op::Number, .language = std::move(language)});
    choices.push_back(of_kind(formula, kNumber | kInteger, {node}));
  }
  return add(formula, {.op = Op::Any, .children = std::move(choices)});
}

}  // namespace issun::grammar
