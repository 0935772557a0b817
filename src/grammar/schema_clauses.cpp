#include "grammar/schema_clauses.h"

namespace issun::grammar {

namespace {

using Op = FormulaNode::Op;
constexpr size_t kMaxClauses = 600;
constexpr int kMaxSteps = 100'000;
constexpr int kMaxChoices = 1'000;  // that follow from each other

class Expansion {
 public:
  Expansion(const Formula& formula, Kind kind, ClauseContext& context)
      : formula_(formula), kind_(kind), context_(context) {}

  std::vector<Clause> found;

  // What holds already is in `clause`; `pending` is to be added; of each of `choices` one part.
  Result<void> expand(std::vector<Literal> pending, std::vector<std::vector<Conjunction>> choices,
                      Clause clause) {
    while (!pending.empty()) {
      if (++steps_ > kMaxSteps) return fail("too many combinations");
      const Literal literal = pending.back();
      pending.pop_back();
      const Truth known = context_.truth(literal, kind_);
      if (known == Truth::Holds) continue;
      if (known == Truth::Fails) return {};
      const FormulaNode& node = formula_.nodes[literal.node];
      switch (node.op) {
        case Op::Not:
          pending.push_back({node.children[0], !literal.negated});
          break;
        case Op::All:
        case Op::Any:
          if ((node.op == Op::Any) == literal.negated) {
            for (const NodeId child : node.children) pending.push_back({child, literal.negated});
          } else {
            choices.push_back(any_of(node, literal.negated));
          }
          break;
        case Op::One:
          choices.push_back(literal.negated ? TRY(not_one_of(node)) : TRY(one_of(node)));
          break;
        default:
          if (!literal.negated) {
            add(node, clause);
          } else if (!TRY(add_opposite(node, clause))) {
            return {};
          }
      }
    }
    if (clause.least > clause.most) return {};
    if (choices.empty()) {
      if (found.size() >= kMaxClauses) return fail("too many combinations");
      found.push_back(std::move(clause));
      return {};
    }
    const std::vector<Conjunction> choice = std::move(choices.back());
    choices.pop_back();
    if (++depth_ > kMaxChoices) return fail("too many combinations");
    for (const Conjunction& part : choice) TRY(expand(part, choices, clause));
    --depth_;
    return {};
  }

 private:
  bool fails(Literal literal) const { return context_.truth(literal, kind_) == Truth::Fails; }

  std::vector<Conjunction> any_of(const FormulaNode& node, bool negated) const {
    std::vector<Conjunction> parts;
    for (const NodeId child : node.children) {
      if (!fails({child, negated})) parts.push_back({{child, negated}});
    }
    return parts;
  }

  // This one holds and no other: others that cannot hold beside it need no words.
  Result<std::vector<Conjunction>> one_of(const FormulaNode& node) {
    std::vector<Conjunction> parts;
    for (size_t i = 0; i < node.children.size(); ++i) {
      const Literal chosen{node.children[i], false};
      if (fails(chosen)) continue;
      Conjunction part = {chosen};
      for (size_t j = 0; j < node.children.size(); ++j) {
        const Literal other{node.children[j], false};
        if (i == j || fails(other) || TRY(context_.disjoint(chosen, other, kind_))) continue;
        part.push_back({other.node, true});
      }
      parts.push_back(std::move(part));
    }
    return parts;
  }
  Result<std::vector<Conjunction>> not_one_of(const FormulaNode& node) {
    std::vector<Conjunction> parts(1);
    for (size_t i = 0; i < node.children.size(); ++i) {
      const Literal first{node.children[i], false};
      parts[0].push_back({first.node, true});
      for (size_t j = i + 1; j < node.children.size(); ++j) {
        const Literal second{node.children[j], false};
        if (fails(first) || fails(second) || TRY(context_.disjoint(first, second, kind_))) continue;
        parts.push_back({first, second});
      }
    }
    return parts;
  }

  void add(const FormulaNode& node, Clause& clause) const {
    const Literal child = node.children.empty() ? Literal{} : Literal{node.children[0], false};
    switch (node.op) {
      case Op::Property:
        clause.properties[node.name].push_back(child);
        break;
      case Op::Required:
        clause.required.insert(node.name);
        break;
      case Op::Pattern:
        clause.patterns.push_back(&node);
        break;
      case Op::Others:
        clause.others.push_back(&node);
        break;
      case Op::PropertyNames:
        clause.names.push_back(child);
        break;
      case Op::PropertyCount:
      case Op::ItemCount:
        clause.least = std::max(clause.least, node.least);
        clause.most = std::min(clause.most, node.most);
        break;
      case Op::Item:
        clause.items_at[node.index].push_back(child);
        break;
      case Op::Items:
        clause.items.emplace_back(node.index, child);
        break;
      case Op::Contains:
        clause.contains.push_back({child, static_cast<int64_t>(node.index), node.least, node.most});
        break;
      default:
        break;
    }
  }

  // false: nothing satisfies it.
  Result<bool> add_opposite(const FormulaNode& node, Clause& clause) {
    const Literal child = node.children.empty() ? Literal{} : Literal{node.children[0], true};
    const auto index = static_cast<int64_t>(node.index);
    switch (node.op) {
      case Op::Property:
        clause.required.insert(node.name);
        clause.properties[node.name].push_back(child);
        return true;
      case Op::Required:
        clause.properties[node.name].push_back({kNever, false});
        return true;
      case Op::Pattern:
        clause.witnesses.push_back({node.language.dfa, {child}});
        return true;
      case Op::Others:
        clause.witnesses.push_back({TRY(names_of_others(node)), {child}});
        return true;
      case Op::PropertyNames:
        clause.witnesses.push_back({TRY(as_dfa(TRY(context_.strings({child})))), {}});
        return true;
      case Op::Item:
        clause.least = std::max(clause.least, index + 1);
        clause.items_at[node.index].push_back(child);
        return true;
      case Op::Items:
        clause.contains.push_back({child, index, 1, Language::kNoLimit});
        return true;
      case Op::PropertyCount:
      case Op::ItemCount:
      case Op::Contains:
        return add_beyond(node, clause);
      default:
        return true;
    }
  }

  // A count has one bound: beyond it.
  static bool add_beyond(const FormulaNode& node, Clause& clause) {
    const bool below = node.least > 0;
    if (!below && node.most == Language::kNoLimit) return false;
    const int64_t least = below ? 0 : node.most + 1;
    const int64_t most = below ? node.least - 1 : Language::kNoLimit;
    if (node.op == Op::Contains) {
      clause.contains.push_back(
          {{node.children[0], false}, static_cast<int64_t>(node.index), least, most});
    } else {
      clause.least = std::max(clause.least, least);
      clause.most = std::min(clause.most, most);
    }
    return true;
  }

  Result<std::shared_ptr<const Dfa>> names_of_others(const FormulaNode& node) {
    std::vector<std::u32string> names;
    for (const std::string& name : node.names) names.push_back(characters(name));
    Dfa known = TRY(Dfa::words(names));
    TRY(context_.work().spend(known.work()));
    for (const auto& pattern : node.patterns) {
      known = TRY(Dfa::either(known, *pattern));
      TRY(context_.work().spend(known.work()));
    }
    return std::make_shared<const Dfa>(TRY(known.complement()));
  }

  const Formula& formula_;
  Kind kind_;
  ClauseContext& context_;
  int steps_ = 0, depth_ = 0;
};

}  // namespace

Result<std::vector<Clause>> clauses(const Formula& formula, const Conjunction& conjunction,
                                    Kind kind, ClauseContext& context) {
  Expansion expansion(formula, kind, context);
  TRY(expansion.expand(conjunction, {}, {}));
  return std::move(expansion.found);
}

}  // namespace issun::grammar
