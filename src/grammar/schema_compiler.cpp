#include "grammar/schema_compiler.h"

#include <deque>
#include <map>

#include "grammar/number_language.h"
#include "grammar/schema_clauses.h"
#include "grammar/schema_objects.h"

namespace issun::grammar {

namespace {

using Op = FormulaNode::Op;
constexpr size_t kMaxRules = 100'000;
constexpr size_t kMaxContains = 4;
constexpr int kLookAhead = 2;  // levels of values that disjoint() looks into

class Compiler : public ClauseContext {
 public:
  explicit Compiler(const Formula& formula)
      : formula_(formula), work_(formula.work), languages_(formula, work_) {}

  Result<JsonRules> compile() {
    rules_.root = TRY(rule_of({{formula_.root, false}}));
    while (!waiting_.empty()) {
      const auto [rule, conjunction] = std::move(waiting_.front());
      waiting_.pop_front();
      TRY(fill(rule, *conjunction));
    }
    TRY(prune(rules_));
    return std::move(rules_);
  }

  Truth truth(Literal literal, Kind kind) const override { return languages_.truth(literal, kind); }
  Result<Language> strings(const Conjunction& conjunction) override {
    return languages_.of(conjunction, kString);
  }

  Work& work() override { return work_; }

  Result<bool> disjoint(Literal a, Literal b, Kind kind) override {
    return seems_empty(flat({a, b}), kind, kLookAhead);
  }

 private:
  // All conditions that hold together, one by one, so that equal ones are found to be equal.
  Conjunction flat(std::vector<Literal> work) const {
    Conjunction result;
    while (!work.empty()) {
      const Literal literal = work.back();
      work.pop_back();
      const FormulaNode& node = formula_.nodes[literal.node];
      const bool together = node.children.size() == 1 || (node.op == Op::Any) == literal.negated;
      if (node.op == Op::Not) {
        work.push_back({node.children[0], !literal.negated});
      } else if ((node.op == Op::All || node.op == Op::Any) && together) {
        for (const NodeId child : node.children) work.push_back({child, literal.negated});
      } else if (node.op == Op::All || node.op == Op::Any) {
        if (node.children.empty()) return {{kNever, false}};
        result.push_back(literal);
      } else {
        result.push_back(literal);
      }
    }
    std::sort(result.begin(), result.end());
    result.erase(std::unique(result.begin(), result.end()), result.end());
    return result;
  }

  // kNoRule: nothing satisfies it, as is seen at once.
  Result<RuleId> rule_of(std::vector<Literal> literals) {
    Conjunction conjunction = flat(std::move(literals));
    if (conjunction.size() == 1 && conjunction[0] == Literal{kNever, false}) return kNoRule;
    const auto next = static_cast<RuleId>(rules_.values.size());
    const auto [known, fresh] = known_.try_emplace(std::move(conjunction), next);
    if (fresh) {
      if (rules_.values.size() >= kMaxRules) return fail("schema: too many combinations");
      rules_.values.emplace_back();
      waiting_.emplace_back(next, &known->first);
    }
    return known->second;
  }

  bool holds(const Conjunction& conjunction, Kind kind) const {
    for (const Literal literal : conjunction) {
      if (truth(literal, kind) != Truth::Holds) return false;
    }
    return true;
  }
  bool fails(const Conjunction& conjunction, Kind kind) const {
    for (const Literal literal : conjunction) {
      if (truth(literal, kind) == Truth::Fails) return true;
    }
    return false;
  }

  Result<void> fill(RuleId rule, const Conjunction& conjunction) {
    constexpr int64_t kWorkOfARule = 50;
    TRY(work_.spend(kWorkOfARule + static_cast<int64_t>(conjunction.size())));
    ValueRule value;
    for (const Kind kind : {kNull, kFalse, kTrue}) {
      if (holds(conjunction, kind)) value.kinds |= kind;
    }
    if (!fails(conjunction, kNumber)) {
      value.number = TRY(number_leaf(TRY(languages_.of(conjunction, kNumber))));
    }
    if (!fails(conjunction, kString)) {
      Language language = TRY(languages_.of(conjunction, kString));
      if (!language.empty()) value.string = add_leaf(rules_.strings, std::move(language));
    }
    if (!fails(conjunction, kArray)) {
      for (const Clause& clause : TRY(clauses(formula_, conjunction, kArray, *this))) {
        value.arrays.push_back(static_cast<uint32_t>(rules_.arrays.size()));
        rules_.arrays.push_back(TRY(array_rule(clause)));
      }
    }
    if (!fails(conjunction, kObject)) {
      for (const Clause& clause : TRY(clauses(formula_, conjunction, kObject, *this))) {
        value.objects.push_back(static_cast<uint32_t>(rules_.objects.size()));
        rules_.objects.push_back(TRY(object_rule(clause)));
      }
    }
    rules_.values[rule] = std::move(value);
    return {};
  }

  // Leaves with the same machine are one.
  int add_leaf(std::vector<TextLanguage>& leaves, Language language) {
    const auto key = std::tuple(&leaves, language.dfa.get(), language.least, language.most);
    const auto [known, fresh] = leaves_.try_emplace(key, static_cast<int>(leaves.size()));
    if (fresh) leaves.emplace_back(std::move(language), &leaves == &rules_.strings);
    return known->second;
  }
  Result<int> number_leaf(Language language) {
    if (language.any()) {
      static const Language any = Language::of(any_number());
      return add_leaf(rules_.numbers, any);
    }
    static const Language plain = Language::of(any_plain_number());
    const Dfa* before = language.dfa.get();
    auto& known = plain_numbers_[before];
    if (known.any()) {
      kept_.push_back(language.dfa);
      known = TRY(both(language, plain));
      TRY(work_.spend(known.work()));
      // Early drafts do not take 1.0 for an integer: those are written without a fraction.
      static const Language fractions = Language::of(any_fraction());
      if (TRY(both(known, fractions)).empty())
        known = TRY(both(known, Language::of(any_integer())));
    }
    return known.empty() ? -1 : add_leaf(rules_.numbers, known);
  }

  std::vector<Literal> item_conditions(const Clause& clause, size_t index) const {
    std::vector<Literal> literals;
    if (const auto at = clause.items_at.find(index); at != clause.items_at.end()) {
      literals = at->second;
    }
    for (const auto& [from, literal] : clause.items) {
      if (from <= index) literals.push_back(literal);
    }
    return literals;
  }

  Result<ArrayRule> array_rule(const Clause& clause) {
    ArrayRule rule;
    rule.least = clause.least, rule.most = clause.most;
    size_t different = 0;  // items before it may differ from those after
    if (!clause.items_at.empty()) different = clause.items_at.rbegin()->first + 1;
    for (const auto& [from, literal] : clause.items) different = std::max(different, from);
    // Counts of the same thing are one.
    std::vector<Literal> counted;
    for (const Clause::Contains& contains : clause.contains) {
      size_t k = 0;
      while (k < counted.size() &&
             !(counted[k] == contains.item && rule.contains[k].from == contains.from)) {
        ++k;
      }
      if (k == counted.size()) {
        counted.push_back(contains.item);
        rule.contains.push_back({.from = contains.from});
        different = std::max(different, static_cast<size_t>(contains.from));
      }
      rule.contains[k].least = std::max(rule.contains[k].least, contains.least);
      rule.contains[k].most = std::min(rule.contains[k].most, contains.most);
    }
    if (counted.size() > kMaxContains) return fail("contains: too many conditions at once");
    for (size_t index = 0; index <= different; ++index) {
      const std::vector<Literal> base = item_conditions(clause, index);
      std::vector<ItemChoice> choices;
      for (uint32_t matched = 0; matched < 1u << counted.size(); ++matched) {
        std::vector<Literal> literals = base;
        bool meaningful = true;
        for (size_t k = 0; k < counted.size(); ++k) {
          const bool matches = (matched >> k & 1) != 0;
          if (static_cast<int64_t>(index) < rule.contains[k].from) {
            meaningful = meaningful && !matches;
          } else if (matches) {
            literals.push_back(counted[k]);
          } else if (rule.contains[k].most != Language::kNoLimit) {
            literals.push_back({counted[k].node, !counted[k].negated});
          }
        }
        if (!meaningful) continue;
        const RuleId id = TRY(rule_of(std::move(literals)));
        if (id != kNoRule) choices.push_back({matched, id});
      }
      rule.items.push_back(std::move(choices));
    }
    return rule;
  }

  Result<ObjectRule> object_rule(const Clause& clause) {
    return make_object_rule(formula_, clause, *this, [this](std::vector<Literal> literals) {
      return rule_of(std::move(literals));
    });
  }

  // Whether it is easily seen that no value of these kinds satisfies it.
  Result<bool> seems_empty(const Conjunction& conjunction, uint32_t kinds, int levels) {
    if (conjunction.size() == 1 && conjunction[0] == Literal{kNever, false}) return true;
    const auto key = std::tuple(conjunction, kinds, levels);
    if (const auto known = empty_.find(key); known != empty_.end()) return known->second;
    TRY(work_.spend(1 + static_cast<int64_t>(conjunction.size())));
    bool empty = true;
    for (const Kind kind : {kNull, kFalse, kTrue}) {
      if ((kinds & kind) != 0 && !fails(conjunction, kind)) empty = false;
    }
    for (const Kind kind : {kNumber, kString}) {
      if (!empty || (kinds & kind) == 0 || fails(conjunction, kind)) continue;
      empty = TRY(languages_.of(conjunction, kind)).empty();
    }
    for (const Kind kind : {kArray, kObject}) {
      if (!empty || (kinds & kind) == 0 || fails(conjunction, kind)) continue;
      empty = levels > 0;
      if (!empty) break;
      for (const Clause& clause : TRY(clauses(formula_, conjunction, kind, *this))) {
        empty = kind == kArray ? TRY(array_seems_empty(clause, levels))
                               : TRY(object_seems_empty(clause, levels));
        if (!empty) break;
      }
    }
    empty_.emplace(key, empty);
    return empty;
  }
  Result<bool> array_seems_empty(const Clause& clause, int levels) {
    for (const auto& [index, literals] : clause.items_at) {
      if (static_cast<int64_t>(index) >= clause.least) break;
      if (TRY(seems_empty(flat(item_conditions(clause, index)), kAnyKind, levels - 1))) return true;
    }
    return false;
  }
  Result<bool> object_seems_empty(const Clause& clause, int levels) {
    if (static_cast<int64_t>(clause.required.size()) > clause.most) return true;
    for (const std::string& name : clause.required) {
      const auto literals = TRY(conditions_of(formula_, clause, name, *this));
      if (TRY(seems_empty(flat(literals), kAnyKind, levels - 1))) return true;
    }
    return false;
  }

  const Formula& formula_;
  Work work_;
  SchemaLanguages languages_;
  JsonRules rules_;
  std::map<Conjunction, RuleId> known_;
  std::deque<std::pair<RuleId, const Conjunction*>> waiting_;
  std::map<std::tuple<const void*, const Dfa*, int64_t, int64_t>, int> leaves_;
  std::map<const Dfa*, Language> plain_numbers_;
  std::vector<std::shared_ptr<const Dfa>> kept_;  // whose addresses are keys
  std::map<std::tuple<Conjunction, uint32_t, int>, bool> empty_;
};

}  // namespace

Result<JsonRules> compile_schema(std::string_view json, Work& left) {
  const Formula formula = TRY(read_schema(json, left));
  Compiler compiler(formula);
  auto rules = compiler.compile();
  left = compiler.work();
  return rules;
}

}  // namespace issun::grammar
