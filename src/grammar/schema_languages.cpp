#include "grammar/schema_languages.h"

#include <bit>

#include "grammar/number_language.h"

namespace issun::grammar {

namespace {

using Op = FormulaNode::Op;

Truth opposite(Truth truth) {
  if (truth == Truth::Depends) return truth;
  return truth == Truth::Holds ? Truth::Fails : Truth::Holds;
}

Truth combined(const FormulaNode& node, uint32_t kind, const std::vector<Truth>& truths) {
  int hold = 0, fail = 0, depend = 0;
  if (node.subject() == 0) {
    for (const NodeId child : node.children) {
      hold += truths[child] == Truth::Holds;
      fail += truths[child] == Truth::Fails;
      depend += truths[child] == Truth::Depends;
    }
  }
  switch (node.op) {
    case Op::Kinds:
      if ((node.kinds & kind) != 0) return Truth::Holds;
      // "integer" is a condition on the text of a number.
      return kind == kNumber && (node.kinds & kInteger) != 0 ? Truth::Depends : Truth::Fails;
    case Op::Not:
      return opposite(truths[node.children[0]]);
    case Op::All:
      return fail > 0 ? Truth::Fails : depend > 0 ? Truth::Depends : Truth::Holds;
    case Op::Any:
      return hold > 0 ? Truth::Holds : depend > 0 ? Truth::Depends : Truth::Fails;
    case Op::One:
      if (hold > 1 || (hold == 0 && depend == 0)) return Truth::Fails;
      return depend > 0 ? Truth::Depends : Truth::Holds;
    default:
      return node.subject() == kind ? Truth::Depends : Truth::Holds;
  }
}

}  // namespace

SchemaLanguages::SchemaLanguages(const Formula& formula, Work& work)
    : formula_(formula), work_(work) {
  for (uint32_t bit = 0; bit < 8; ++bit) {
    truths_[bit].resize(formula.nodes.size());
    for (const NodeId node : formula.order) {
      truths_[bit][node] = combined(formula.nodes[node], 1u << bit, truths_[bit]);
    }
  }
}

// One of those it was made from has been counted already.
Result<Language> SchemaLanguages::counted(Language made, const Language& from,
                                          const Language& other) {
  if (made.dfa != from.dfa && made.dfa != other.dfa) TRY(work_.spend(made.work()));
  return made;
}

Result<Language> SchemaLanguages::both_of(const Language& a, const Language& b) {
  return counted(TRY(both(a, b)), a, b);
}

Result<Language> SchemaLanguages::opposite_of(const Language& a) {
  return counted(TRY(complement(a)), a, a);
}

Result<Language> SchemaLanguages::either_of(std::vector<Language> parts) {
  if (parts.empty()) return Language::none();
  // In pairs, so that no part is walked more often than needed.
  while (parts.size() > 1) {
    std::vector<Language> halves;
    for (size_t i = 0; i + 1 < parts.size(); i += 2) {
      halves.push_back(TRY(counted(TRY(either(parts[i], parts[i + 1])), parts[i], parts[i + 1])));
    }
    if (parts.size() % 2 != 0) halves.push_back(std::move(parts.back()));
    parts = std::move(halves);
  }
  return std::move(parts[0]);
}

Truth SchemaLanguages::truth(Literal literal, Kind kind) const {
  const Truth found = truths_[std::countr_zero(static_cast<uint32_t>(kind))][literal.node];
  return literal.negated ? opposite(found) : found;
}

Result<Language> SchemaLanguages::of(const Conjunction& conjunction, Kind kind) {
  Language language;
  for (const Literal literal : conjunction) {
    Language part = TRY(of(literal.node, kind));
    if (literal.negated) part = TRY(opposite_of(part));
    language = TRY(both_of(language, part));
    if (language.empty()) break;
  }
  return language;
}

Result<Language> SchemaLanguages::of(NodeId id, Kind kind) {
  const Truth known = truth({id, false}, kind);
  if (known == Truth::Holds) return Language();
  if (known == Truth::Fails) return Language::none();
  const FormulaNode& node = formula_.nodes[id];
  if (node.op == Op::Number || node.op == Op::String) return node.language;
  const auto found = known_.find({id, kind});
  if (found != known_.end()) return found->second;
  Language language;
  switch (node.op) {
    case Op::Kinds:
      language = Language::of(TRY(multiples_of({.negative = false, .whole = "1", .fraction = ""})));
      break;
    case Op::Not:
      language = TRY(opposite_of(TRY(of(node.children[0], kind))));
      break;
    case Op::All:
      for (const NodeId child : node.children)
        language = TRY(both_of(language, TRY(of(child, kind))));
      break;
    case Op::Any: {
      std::vector<Language> parts;
      for (const NodeId child : node.children) parts.push_back(TRY(of(child, kind)));
      language = TRY(either_of(std::move(parts)));
      break;
    }
    default:
      language = TRY(exactly_one(node, kind));
  }
  known_.emplace(std::pair(id, kind), language);
  return language;
}

// Each without the others that it overlaps.
Result<Language> SchemaLanguages::exactly_one(const FormulaNode& node, Kind kind) {
  std::vector<Language> parts, kept;
  for (const NodeId child : node.children) parts.push_back(TRY(of(child, kind)));
  for (size_t i = 0; i < parts.size(); ++i) {
    Language part = parts[i];
    for (size_t j = 0; j < parts.size() && !part.empty(); ++j) {
      if (i == j || parts[j].empty() || TRY(both_of(part, parts[j])).empty()) continue;
      part = TRY(both_of(part, TRY(opposite_of(parts[j]))));
    }
    kept.push_back(std::move(part));
  }
  return either_of(std::move(kept));
}

}  // namespace issun::grammar
