// A JSON Schema as a formula: conditions on one JSON value, joined by and, or, not.
//
// A condition speaks of one kind of value and holds for all other kinds, as the keywords do.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "grammar/language.h"
#include "grammar/work.h"

namespace issun::grammar {

using NodeId = uint32_t;
constexpr NodeId kNever = 0;  // the first node of every formula: no value satisfies it

// Kinds of value, as bits. Integer: of the numbers only those.
enum Kind : uint32_t {
  kNull = 1,
  kFalse = 2,
  kTrue = 4,
  kNumber = 8,
  kInteger = 16,
  kString = 32,
  kArray = 64,
  kObject = 128,
  kAnyKind = 255,
};

struct FormulaNode {
  enum class Op {
    All,  // of the children; without children: true
    Any,  // without children: false
    One,  // exactly one
    Not,
    Kinds,          // the value is of one of `kinds`
    Number,         // its text is in `language`
    String,         // its characters are in `language`
    Property,       // if there is a property `name`, its value satisfies the child
    Pattern,        // so do the values of all properties with names in `language`
    Others,         // and of those neither in `names` nor in `patterns`
    PropertyNames,  // the names, as strings, satisfy the child
    Required,       // there is a property `name`
    PropertyCount,  // at least `least` or at most `most` properties: one bound a node
    Item,           // if there is an item number `index`, it satisfies the child
    Items,          // so do all from number `index` on
    ItemCount,      // so for items
    Contains,       // so for items from `index` on that satisfy the child
  };
  Op op = Op::All;
  std::vector<NodeId> children = {};
  uint32_t kinds = 0;
  Language language = {};
  std::string name = {};
  std::vector<std::string> names = {};
  std::vector<std::shared_ptr<const Dfa>> patterns = {};
  size_t index = 0;
  int64_t least = 0, most = Language::kNoLimit;

  // Which kind of value the condition speaks of; 0 for those of every kind.
  uint32_t subject() const {
    switch (op) {
      case Op::Number:
        return kNumber;
      case Op::String:
        return kString;
      case Op::Property:
      case Op::Pattern:
      case Op::Others:
      case Op::PropertyNames:
      case Op::Required:
      case Op::PropertyCount:
        return kObject;
      case Op::Item:
      case Op::Items:
      case Op::ItemCount:
      case Op::Contains:
        return kArray;
      default:
        return 0;
    }
  }
};

struct Formula {
  std::vector<FormulaNode> nodes = {{.op = FormulaNode::Op::Any}};
  NodeId root = 0;
  // All nodes, those that speak of the same value as their parents before them. There is such an
  // order: no schema refers to itself without a property or item between. Nor deeply.
  std::vector<NodeId> order;
  Work work;  // that was done, and is left
};

// A node of the formula or its opposite.
struct Literal {
  NodeId node = 0;
  bool negated = false;
  auto operator<=>(const Literal&) const = default;
};
// Sorted, each once: all of them hold.
using Conjunction = std::vector<Literal>;

// Draft 2020-12 and, where they say the same otherwise, its forerunners from draft 4 on. Error: a
// keyword or value that is not supported, or malformed, with its path; more
// work than is left.
Result<Formula> read_schema(std::string_view json, const Work& left);

}  // namespace issun::grammar
