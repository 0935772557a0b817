// From the text of a JSON Schema to its formula: what each keyword means.
#include <cmath>
#include <deque>
#include <map>
#include <optional>

#include "base/quote.h"
#include "grammar/format_language.h"
#include "grammar/number_language.h"
#include "grammar/regex.h"
#include "grammar/schema_constants.h"
#include "grammar/schema_formula.h"
#include "grammar/schema_references.h"

namespace issun::grammar {

namespace {

using Op = FormulaNode::Op;

constexpr size_t kMaxNodes = 500'000;
constexpr size_t kMaxSchemaDepth = 500;
constexpr double kMaxExactCount = 9007199254740992;  // whole numbers are exact below

// Errors get the path in front once.
template <class T>
Result<T> at_path(const std::string& path, Result<T> result) {
  if (!result) return fail("{}: {}", visible(path), result.error().message);
  return result;
}

bool is_before_2019(const Json& root) {
  const Json* draft = member(root, "$schema");
  if (draft == nullptr || !draft->is_string()) return false;
  for (const char* old : {"draft-03", "draft-04", "draft-06", "draft-07"}) {
    if (draft->text().find(old) != std::string::npos) return true;
  }
  return false;
}

class Reader {
 public:
  Reader(const Json& root, const Work& left)
      : before_2019_(is_before_2019(root)), references_(root, before_2019_) {
    formula_.work = left;
  }

  Result<Formula> read() {
    formula_.root = TRY(schema(references_.root(), "#"));
    while (!waiting_.empty()) {
      const Waiting next = std::move(waiting_.front());
      waiting_.pop_front();
      TRY(fill(next.node, next.location, next.path));
    }
    TRY(put_in_order());
    return std::move(formula_);
  }

 private:
  struct Waiting {
    NodeId node;
    Location location;
    std::string path;
  };

  NodeId add(FormulaNode node) {
    formula_.nodes.push_back(std::move(node));
    return static_cast<NodeId>(formula_.nodes.size()) - 1;
  }
  NodeId group(Op op, std::vector<NodeId> children) {
    return add({.op = op, .children = std::move(children)});
  }
  NodeId negation(NodeId node) { return group(Op::Not, {node}); }
  NodeId kinds(uint32_t kinds) { return add({.op = Op::Kinds, .kinds = kinds}); }

  // The node of a schema, to be filled later: references may go round in circles.
  Result<NodeId> schema(const Location& location, const std::string& path) {
    const Json& value = *location.schema;
    if (value.is_bool()) return group(value.boolean() ? Op::All : Op::Any, {});
    if (!value.is_object()) return fail("{}: expected a schema", visible(path));
    const auto [known, fresh] = known_.try_emplace(&value, 0);
    if (!fresh) return known->second;
    if (formula_.nodes.size() > kMaxNodes) return fail("schema: too large");
    known->second = group(Op::All, {});
    waiting_.push_back({known->second, location, path});
    return known->second;
  }
  Result<NodeId> part(const Location& location, const Json& value, const std::string& path) {
    return schema(references_.enter(location, value), path);
  }

  Result<void> fill(NodeId node, const Location& location, const std::string& path) {
    location_ = &location;
    path_ = &path;
    parts_.clear();
    if (const Json* reference = find("$ref")) {
      TRY(follow(*reference));
    }
    if (!before_2019_ || find("$ref") == nullptr) {
      TRY(refuse_unsupported());
      TRY(values());
      TRY(numbers());
      TRY(strings());
      TRY(arrays());
      TRY(objects());
      TRY(dependencies());
      TRY(combinations());
    }
    formula_.nodes[node].children = std::move(parts_);
    return {};
  }

  std::string below(std::string_view keyword) const {
    return fmt::format("{}/{}", *path_, keyword);
  }
  const Json* find(std::string_view keyword) const { return member(*location_->schema, keyword); }
  tl::unexpected<Error> error(std::string_view keyword, std::string_view what) const {
    return fail("{}: {}", visible(below(keyword)), what);
  }

  Result<void> follow(const Json& reference) {
    if (!reference.is_string()) return error("$ref", "expected a text");
    const Location target =
        TRY(at_path(below("$ref"), references_.follow(*location_, reference.text())));
    parts_.push_back(TRY(schema(target, reference.text())));
    return {};
  }

  Result<void> refuse_unsupported() {
    for (const char* keyword :
         {"$dynamicRef", "$recursiveRef", "extends", "disallow", "divisibleBy"}) {
      if (find(keyword) != nullptr) return error(keyword, "this keyword is not supported");
    }
    for (const char* keyword : {"unevaluatedItems", "unevaluatedProperties"}) {
      const Json* value = find(keyword);
      if (value != nullptr && !(value->is_bool() && value->boolean())) {
        return error(keyword, "this keyword is not supported");
      }
    }
    if (const Json* unique = find("uniqueItems"); unique != nullptr && unique->is_true()) {
      const auto most = TRY(count("maxItems"));
      if (!most || *most > 1) return error("uniqueItems", "this keyword is not supported");
    }
    return {};
  }

  Result<void> values() {
    if (const Json* type = find("type")) {
      uint32_t set = 0;
      const auto name = [&](const Json& value) {
        const uint32_t kind = value.is_string() ? kind_named(value.text()) : 0;
        set |= kind;
        return kind != 0;
      };
      bool known = true;
      if (type->is_array()) {
        for (const Json& value : type->items()) known = name(value) && known;
      } else {
        known = name(*type);
      }
      if (!known) return error("type", "expected a type, or a list of types");
      parts_.push_back(kinds(set));
    }
    if (const Json* values = find("enum")) {
      if (!values->is_array()) return error("enum", "expected a list");
      parts_.push_back(TRY(at_path(below("enum"), add_constants(formula_, values->items()))));
    }
    if (const Json* value = find("const")) {
      parts_.push_back(TRY(at_path(below("const"), add_constants(formula_, {*value}))));
    }
    return {};
  }

  Result<void> numbers() {
    TRY(bound("minimum", "exclusiveMinimum", Comparison::AtLeast, Comparison::Above));
    TRY(bound("maximum", "exclusiveMaximum", Comparison::AtMost, Comparison::Below));
    if (const Json* step = find("multipleOf")) {
      if (!step->is_number()) return error("multipleOf", "expected a number");
      const Decimal decimal = TRY(at_path(below("multipleOf"), decimal_of(*step)));
      add_language(Op::Number,
                   Language::of(TRY(at_path(below("multipleOf"), multiples_of(decimal)))));
    }
    return {};
  }
  // Before draft 6 the exclusive form was a flag beside the number.
  Result<void> bound(const char* keyword, const char* exclusive, Comparison closed,
                     Comparison open) {
    const Json* flag = find(exclusive);
    const bool is_flag = flag != nullptr && flag->is_bool();
    if (const Json* value = find(keyword)) {
      TRY(compared(keyword, *value, is_flag && flag->boolean() ? open : closed));
    }
    if (flag != nullptr && !is_flag) TRY(compared(exclusive, *flag, open));
    return {};
  }
  Result<void> compared(const char* keyword, const Json& value, Comparison comparison) {
    if (!value.is_number()) return error(keyword, "expected a number");
    const Decimal decimal = TRY(at_path(below(keyword), decimal_of(value)));
    add_language(Op::Number,
                 Language::of(TRY(at_path(below(keyword), numbers_compared(comparison, decimal)))));
    return {};
  }
  void add_language(Op op, Language language) {
    parts_.push_back(add({.op = op, .language = std::move(language)}));
  }

  // A count; nothing if the keyword is absent.
  Result<std::optional<int64_t>> count(const char* keyword) const {
    const Json* value = find(keyword);
    if (value == nullptr) return std::optional<int64_t>();
    const double number = value->is_number() ? value->number() : -1;
    if (number < 0 || number != std::floor(number)) {
      return error(keyword, "expected a whole number, 0 or more");
    }
    return static_cast<int64_t>(std::min(number, kMaxExactCount));
  }
  Result<void> counted(Op op, const char* least, const char* most) {
    const auto low = TRY(count(least));
    const auto high = TRY(count(most));
    if (low && *low > 0) add_bound({.op = op}, *low, Language::kNoLimit);
    if (high) add_bound({.op = op}, 0, *high);
    return {};
  }
  void add_bound(FormulaNode node, int64_t least, int64_t most) {
    node.least = node.language.least = least;
    node.most = node.language.most = most;
    parts_.push_back(add(std::move(node)));
  }

  Result<void> strings() {
    TRY(counted(Op::String, "minLength", "maxLength"));
    if (const Json* pattern = find("pattern")) {
      if (!pattern->is_string()) return error("pattern", "expected a text");
      add_language(Op::String, TRY(regex("pattern", pattern->text())));
    }
    const Json* format = find("format");
    if (format != nullptr && format->is_string()) {
      auto known = formats_.find(format->text());
      if (known == formats_.end()) {
        auto language = TRY(at_path(below("format"), format_language(format->text())));
        std::optional<Language> kept;
        if (language) kept = Language::of(std::move(language->texts), language->exact);
        if (kept) TRY(formula_.work.spend(kept->work()));
        known = formats_.emplace(format->text(), std::move(kept)).first;
      }
      if (known->second) add_language(Op::String, *known->second);
    }
    return {};
  }
  Result<Language> regex(std::string_view keyword, const std::string& pattern) {
    auto known = regexes_.find(pattern);
    if (known == regexes_.end()) {
      Language language = Language::of(TRY(at_path(below(keyword), parse_regex(pattern))));
      TRY(formula_.work.spend(language.work()));
      known = regexes_.emplace(pattern, std::move(language)).first;
    }
    return known->second;
  }

  Result<void> arrays() {
    TRY(counted(Op::ItemCount, "minItems", "maxItems"));
    const Json* items = find("items");
    const char* rest = "items";
    const char* first = "prefixItems";
    if (items != nullptr && items->is_array()) {  // as it was written before 2020
      first = "items";
      rest = "additionalItems";
    }
    size_t from = 0;
    if (const Json* prefix = find(first)) {
      if (!prefix->is_array()) return error(first, "expected a list of schemas");
      for (const Json& item : prefix->items()) {
        const NodeId child = TRY(part(*location_, item, fmt::format("{}/{}", below(first), from)));
        parts_.push_back(add({.op = Op::Item, .children = {child}, .index = from++}));
      }
    }
    if (const Json* others = find(rest)) {
      const NodeId child = TRY(part(*location_, *others, below(rest)));
      parts_.push_back(add({.op = Op::Items, .children = {child}, .index = from}));
    }
    if (const Json* contains = find("contains")) {
      const NodeId child = TRY(part(*location_, *contains, below("contains")));
      const FormulaNode node{.op = Op::Contains, .children = {child}};
      std::optional<int64_t> least, most;
      if (!before_2019_) {
        least = TRY(count("minContains"));
        most = TRY(count("maxContains"));
      }
      if (least.value_or(1) > 0) add_bound(node, least.value_or(1), Language::kNoLimit);
      if (most) add_bound(node, 0, *most);
    }
    return {};
  }

  // Without the keyword: nothing.
  Result<const Json::Object*> dictionary(const char* keyword) const {
    static const Json::Object none;
    const Json* value = find(keyword);
    if (value != nullptr && !value->is_object()) return error(keyword, "expected an object");
    return value != nullptr ? &value->members() : &none;
  }

  Result<void> objects() {
    TRY(counted(Op::PropertyCount, "minProperties", "maxProperties"));
    FormulaNode others{.op = Op::Others};
    for (const auto& [name, value] : *TRY(dictionary("properties"))) {
      const std::string path = fmt::format("{}/{}", below("properties"), name);
      const NodeId child = TRY(part(*location_, value, path));
      parts_.push_back(add({.op = Op::Property, .children = {child}, .name = name}));
      others.names.push_back(name);
    }
    for (const auto& [pattern, value] : *TRY(dictionary("patternProperties"))) {
      const std::string path = fmt::format("{}/{}", below("patternProperties"), pattern);
      const NodeId child = TRY(part(*location_, value, path));
      Language language = TRY(regex("patternProperties", pattern));
      others.patterns.push_back(language.dfa);
      parts_.push_back(
          add({.op = Op::Pattern, .children = {child}, .language = std::move(language)}));
    }
    if (const Json* value = find("additionalProperties")) {
      others.children = {TRY(part(*location_, *value, below("additionalProperties")))};
      parts_.push_back(add(std::move(others)));
    }
    if (const Json* names = find("propertyNames")) {
      const NodeId child = TRY(part(*location_, *names, below("propertyNames")));
      parts_.push_back(add({.op = Op::PropertyNames, .children = {child}}));
    }
    if (const Json* names = find("required")) {
      if (!names->is_array()) return error("required", "expected a list of names");
      TRY(add_required("required", *names, parts_));
    }
    return {};
  }
  Result<void> add_required(const char* keyword, const Json& names, std::vector<NodeId>& to) {
    for (const Json& name : names.items()) {
      if (!name.is_string()) return error(keyword, "expected a list of names");
      to.push_back(add({.op = Op::Required, .name = name.text()}));
    }
    return {};
  }

  // "If there is this property, then": not an object, or without it, or the rest holds.
  Result<void> dependencies() {
    for (const char* keyword : {"dependentRequired", "dependentSchemas", "dependencies"}) {
      for (const auto& [name, value] : *TRY(dictionary(keyword))) {
        std::vector<NodeId> then;
        if (value.is_array()) {
          TRY(add_required(keyword, value, then));
        } else {
          const std::string path = fmt::format("{}/{}", below(keyword), name);
          then.push_back(TRY(part(*location_, value, path)));
        }
        const NodeId present = add({.op = Op::Required, .name = name});
        const NodeId consequence = group(Op::All, std::move(then));
        const NodeId absent = negation(present), other = kinds(kAnyKind & ~kObject);
        parts_.push_back(group(Op::Any, {other, absent, consequence}));
      }
    }
    return {};
  }

  Result<void> combinations() {
    for (const auto& [keyword, op] :
         {std::pair{"allOf", Op::All}, {"anyOf", Op::Any}, {"oneOf", Op::One}}) {
      const Json* list = find(keyword);
      if (list == nullptr) continue;
      if (!list->is_array() || list->items().empty()) {
        return error(keyword, "expected a list of schemas");
      }
      std::vector<NodeId> children;
      for (const Json& child : list->items()) {
        const std::string path = fmt::format("{}/{}", below(keyword), children.size());
        children.push_back(TRY(part(*location_, child, path)));
      }
      parts_.push_back(group(op, std::move(children)));
    }
    if (const Json* opposite = find("not")) {
      parts_.push_back(negation(TRY(part(*location_, *opposite, below("not")))));
    }
    const Json *condition = find("if"), *then = find("then"), *otherwise = find("else");
    if (condition == nullptr || (then == nullptr && otherwise == nullptr)) return {};
    const NodeId holds = TRY(part(*location_, *condition, below("if")));
    if (then != nullptr) {
      const NodeId consequence = TRY(part(*location_, *then, below("then")));
      const NodeId fails = negation(holds);
      parts_.push_back(group(Op::Any, {fails, consequence}));
    }
    if (otherwise != nullptr) {
      const NodeId consequence = TRY(part(*location_, *otherwise, below("else")));
      parts_.push_back(group(Op::Any, {holds, consequence}));
    }
    return {};
  }

  // A schema that means itself, with no property or item in between, means nothing.
  Result<void> put_in_order() {
    enum class Seen : uint8_t { No, Open, Done };
    std::vector<Seen> seen(formula_.nodes.size(), Seen::No);
    std::vector<std::pair<NodeId, size_t>> path;
    for (NodeId start = 0; start < formula_.nodes.size(); ++start) {
      if (seen[start] == Seen::No) path.emplace_back(start, 0);
      while (!path.empty()) {
        auto& [node, next] = path.back();
        seen[node] = Seen::Open;
        const FormulaNode& formula = formula_.nodes[node];
        if (formula.subject() != 0 || next == formula.children.size()) {
          seen[node] = Seen::Done;
          formula_.order.push_back(node);
          path.pop_back();
          continue;
        }
        const NodeId child = formula.children[next++];
        if (seen[child] == Seen::Open) {
          return fail("$ref: a schema refers to itself and says nothing else");
        }
        if (seen[child] == Seen::No) path.emplace_back(child, 0);
        if (path.size() > kMaxSchemaDepth) {
          return fail("schema: more than {} references or combinations within each other",
                      kMaxSchemaDepth);
        }
      }
    }
    return {};
  }

  const bool before_2019_;  // $ref stands alone
  References references_;
  Formula formula_;
  std::map<const Json*, NodeId> known_;
  std::deque<Waiting> waiting_;
  std::map<std::string, Language> regexes_;
  std::map<std::string, std::optional<Language>> formats_;
  // Of the schema that is being read.
  const Location* location_ = nullptr;
  const std::string* path_ = nullptr;
  std::vector<NodeId> parts_;
};

}  // namespace

Result<Formula> read_schema(std::string_view json, const Work& left) {
  const auto document = Json::parse(json);
  if (!document) return fail("schema: {}", document.error().message);
  return Reader(*document, left).read();
}

}  // namespace issun::grammar
