#include "grammar/schema_objects.h"

#include <optional>

namespace issun::grammar {

namespace {

Literal value_of(const FormulaNode& node) { return {node.children[0], false}; }

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// The names that are none of the known ones: all their patterns walked at once, and what each
// combination of matches means for the value.
class OtherNames {
 public:
  OtherNames(const Clause& clause, const RuleOf& rule_of) : clause_(clause), rule_of_(rule_of) {}

  // `known`: also tell apart from these names.
  Result<Dfa> build(const std::vector<std::u32string>* known, ClauseContext& context) {
    machines_.clear();
    allowed_.clear();
    rules_.clear();
    classes_.clear();
    for (const FormulaNode* node : clause_.patterns) machine(node->language.dfa);
    for (const FormulaNode* node : clause_.others) {
      for (const auto& pattern : node->patterns) machine(pattern);
    }
    for (const Clause::Witness& witness : clause_.witnesses) machine(witness.keys);
    for (const Literal literal : clause_.names) {
      const Language language = TRY(context.strings({literal}));
      if (!language.any()) allowed_.push_back(machine(TRY(as_dfa(language))));
    }
    if (known != nullptr) {
      const Dfa names = TRY(Dfa::words(*known));
      TRY(context.work().spend(names.work()));
      allowed_.push_back(machine(std::make_shared<const Dfa>(TRY(names.complement()))));
    }
    std::vector<char32_t> starts;
    States first;
    for (const auto& dfa : machines_) {
      starts.insert(starts.end(), dfa->class_starts().begin(), dfa->class_starts().end());
      first.push_back(dfa->start());
    }
    std::optional<Error> broken;
    auto made = Dfa::explore(
        std::move(starts), std::move(first),
        [&](const States& states, char32_t character) -> std::optional<States> {
          States next(states.size());
          for (size_t i = 0; i < states.size(); ++i) {
            next[i] = machines_[i]->step(states[i], character);
          }
          for (const size_t i : allowed_) {
            if (next[i] == Dfa::kDead) return std::nullopt;
          }
          return next;
        },
        [&](const States& states) {
          auto label = label_of(states);
          if (!label && !broken) broken = label.error();
          return label.value_or(0);
        });
    if (broken) return tl::unexpected(*broken);
    const size_t machines = std::max<size_t>(1, machines_.size());
    if (made) TRY(context.work().spend(made->work() * static_cast<int64_t>(machines)));
    return made;
  }

  std::vector<PropertyRule> take_rules() { return std::move(rules_); }

 private:
  using States = std::vector<uint32_t>;

  size_t machine(const std::shared_ptr<const Dfa>& dfa) {
    for (size_t i = 0; i < machines_.size(); ++i) {
      if (machines_[i] == dfa) return i;
    }
    machines_.push_back(dfa);
    return machines_.size() - 1;
  }

  Result<uint32_t> label_of(const States& states) {
    std::vector<bool> matches(states.size());
    for (size_t i = 0; i < states.size(); ++i) matches[i] = machines_[i]->label(states[i]) != 0;
    for (const size_t i : allowed_) {
      if (!matches[i]) return 0;
    }
    const auto [known, fresh] = classes_.try_emplace(matches, 0);
    if (!fresh) return known->second;
    std::vector<Literal> literals;
    for (const FormulaNode* node : clause_.patterns) {
      if (matches[machine(node->language.dfa)]) literals.push_back(value_of(*node));
    }
    for (const FormulaNode* node : clause_.others) {
      bool listed = false;
      for (const auto& pattern : node->patterns) listed = listed || matches[machine(pattern)];
      if (!listed) literals.push_back(value_of(*node));
    }
    PropertyRule rule;
    rule.rule = TRY(rule_of_(literals));
    if (!clause_.witnesses.empty() && matches[machine(clause_.witnesses[0].keys)]) {
      const auto& more = clause_.witnesses[0].value;
      literals.insert(literals.end(), more.begin(), more.end());
      rule.witness = TRY(rule_of_(literals));
    }
    if (rule.rule == kNoRule) return 0;
    rules_.push_back(rule);
    return known->second = static_cast<uint32_t>(rules_.size());
  }

  const Clause& clause_;
  const RuleOf& rule_of_;
  std::vector<std::shared_ptr<const Dfa>> machines_;
  std::vector<size_t> allowed_;  // machines that a name must satisfy
  std::map<std::vector<bool>, uint32_t> classes_;
  std::vector<PropertyRule> rules_;
};

std::vector<std::string> all_names(const Clause& clause) {
  std::set<std::string> names = clause.required;
  for (const auto& [name, literals] : clause.properties) names.insert(name);
  for (const FormulaNode* node : clause.others)
    names.insert(node->names.begin(), node->names.end());
  return {names.begin(), names.end()};
}

}  // namespace

Result<std::vector<Literal>> conditions_of(const Formula&, const Clause& clause,
                                           const std::string& name, ClauseContext& context) {
  std::vector<Literal> literals;
  const std::u32string text = characters(name);
  if (const auto own = clause.properties.find(name); own != clause.properties.end()) {
    literals = own->second;
  }
  for (const FormulaNode* node : clause.patterns) {
    if (node->language.dfa->accepts(text)) literals.push_back(value_of(*node));
  }
  for (const FormulaNode* node : clause.others) {
    bool listed = contains(node->names, name);
    for (const auto& pattern : node->patterns) listed = listed || pattern->accepts(text);
    if (!listed) literals.push_back(value_of(*node));
  }
  for (const Literal literal : clause.names) {
    const auto allowed = TRY(as_dfa(TRY(context.strings({literal}))));
    if (!allowed->accepts(text)) return std::vector<Literal>{{kNever, false}};
  }
  return literals;
}

Result<ObjectRule> make_object_rule(const Formula& formula, const Clause& clause,
                                    ClauseContext& context, const RuleOf& rule_of) {
  if (clause.witnesses.size() > 1) {
    return fail("several negated conditions on unlisted properties are not supported together");
  }
  if (!clause.witnesses.empty() && clause.most != Language::kNoLimit) {
    return fail("maxProperties beside a negated condition on unlisted properties is not supported");
  }
  ObjectRule object;
  object.least = clause.least, object.most = clause.most;
  object.needs_witness = !clause.witnesses.empty();
  // UTF-8 sorts as its characters do.
  std::vector<std::u32string> names;
  for (const std::string& name : all_names(clause)) {
    names.push_back(characters(name));
    object.required.push_back(clause.required.contains(name));
    std::vector<Literal> literals = TRY(conditions_of(formula, clause, name, context));
    PropertyRule rule;
    rule.rule = TRY(rule_of(literals));
    if (object.needs_witness && clause.witnesses[0].keys->accepts(names.back())) {
      const auto& more = clause.witnesses[0].value;
      literals.insert(literals.end(), more.begin(), more.end());
      rule.witness = TRY(rule_of(std::move(literals)));
    }
    object.named.push_back(rule);
  }
  OtherNames builder(clause, rule_of);
  Dfa others = TRY(builder.build(nullptr, context));
  bool finite = false;
  for (const uint32_t reach : others.reaches()) finite = finite || reach != Dfa::kForever;
  if (finite) others = TRY(builder.build(&names, context));
  if (!others.empty()) {
    object.others = std::make_shared<const Dfa>(std::move(others));
    object.classes = builder.take_rules();
  }
  object.names = KeyNames(names);
  // Two of the other names may be the same one, unless it is remembered.
  object.distinct = object.others != nullptr && object.least >= 2;
  if (object.distinct && finite) {
    return fail("minProperties over a limited choice of names is not supported");
  }
  return object;
}

}  // namespace issun::grammar
