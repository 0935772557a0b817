// The syntax tree of a template. Every node knows its line, for messages.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "chat/jinja/operators.h"
#include "chat/jinja/value.h"

namespace issun::chat::jinja {

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

enum class ExpressionKind {
  literal,      // value
  variable,     // name
  list,         // children
  tuple,        // children
  dict,         // children: key, value, key, value ...
  attribute,    // child . name
  item,         // child [child]
  slice,        // child [begin:end:step]; absent parts are null
  call,         // child (arguments)
  filter,       // child | name(arguments); child null inside a filter block: the block's text
  test,         // child is name(arguments); `negated` for "is not"
  negative,     // -child
  positive,     // +child
  not_,         // not child
  and_,         // children
  or_,          // children
  arithmetic,   // child op child
  concat,       // children, joined by ~
  comparison,   // child, then pairs of comparators[i] and child i + 1
  conditional,  // children: value if condition else otherwise; the last may be null
};

enum class Comparator { equal, unequal, below, at_most, above, at_least, in, not_in };

struct Expression {
  ExpressionKind kind = ExpressionKind::literal;
  int line = 1;
  int height = 1;  // of the tree below, bounded by the parser
  bool negated = false;
  Operator op = Operator::add;
  std::string name;
  Value value;
  std::vector<ExpressionPtr> children;
  std::vector<Comparator> comparators;
  // Arguments of a call, filter or test: positional ones, named ones, and the lists behind * and
  // **.
  std::vector<ExpressionPtr> arguments;
  std::vector<std::pair<std::string, ExpressionPtr>> named_arguments;
  ExpressionPtr more_arguments, more_named_arguments;
};

// What an assignment writes to: a name, an attribute of a namespace, or a tuple of targets.
struct Target {
  std::string name;
  std::string attribute;
  std::vector<Target> tuple;
};

struct Statement;
using Body = std::vector<Statement>;

enum class StatementKind {
  text,       // name
  output,     // expression
  evaluate,   // {% do expression %}
  if_,        // branches
  for_,       // target in expression [if condition], body, otherwise
  set,        // target = expression
  set_block,  // target = body, through the filters of expression if there
  macro,      // name(parameters) body
  call,       // a call expression; body is caller(parameters)
  filter,     // body through the filters of expression
  with,       // assignments, body
  group,      // body as it is: {% generation %}, {% block %}
  break_,
  continue_,
};

struct Statement {
  StatementKind kind = StatementKind::text;
  int line = 1;
  std::string name;
  Target target;
  ExpressionPtr expression, condition;
  struct Branch {
    ExpressionPtr condition;  // null: else
    Body body;
  };
  std::vector<Branch> branches;
  struct Parameter {
    std::string name;
    ExpressionPtr otherwise;  // null: no default
  };
  std::vector<Parameter> parameters;
  std::vector<std::pair<Target, ExpressionPtr>> assignments;
  Body body, otherwise;
};

}  // namespace issun::chat::jinja
