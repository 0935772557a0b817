// What a template can call: functions and methods of ours, macros of its own; and the loop
// variable.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "chat/jinja/runtime.h"
#include "chat/jinja/value.h"

namespace issun::chat::jinja {

struct Statement;  // ast.h
struct Scope;      // eval.h

struct Arguments {
  std::vector<Value> positional;
  std::vector<Value::Pair> keyword;
};

// One call of a builtin. `self` is the subject of a filter, test or method.
struct Call {
  Runtime& runtime;
  const Value& self;
  std::vector<Value> args;  // one for each named parameter; undefined where the call left it out
  Arguments rest;           // what a "*" parameter took

  bool has(int i) const { return !args[i].is_undefined(); }
  // Error: another kind of value. The two-argument forms give `otherwise` when left out or None.
  Result<std::string_view> text(int i) const;
  Result<int64_t> integer(int i) const;
  Result<int64_t> integer(int i, int64_t otherwise) const;
};

// A filter, test, method or global function. `parameters` lists names divided by blanks; one with a
// final '?' may be left out; a last "*" takes any number more, named or not.
struct Builtin {
  std::string_view name;
  std::string_view parameters;
  Result<Value> (*run)(Call& call);
};

// Error: the arguments do not fit the parameters, or what the builtin itself says.
Result<Value> call_builtin(Runtime& runtime, const Builtin& builtin, const Value& self,
                           Arguments arguments);

// nullptr when there is none of that name.
const Builtin* find_filter(std::string_view name);
const Builtin* find_test(std::string_view name);
const Builtin* find_global(std::string_view name);
const Builtin* find_method(const Value& self, std::string_view name);
const Builtin* find_in(std::span<const Builtin> table, std::string_view name);

// A builtin, bound to `self` when it is a method; or a macro.
struct Callable {
  const Builtin* builtin = nullptr;
  Value self;
  const Statement* macro = nullptr;  // or a {% call %} block, which is a macro named "caller"
  // Where the macro was defined. Weak, since that scope holds the macro.
  std::weak_ptr<Scope> scope;
};

// The variable `loop` inside a for.
struct Loop {
  std::shared_ptr<List> items;
  int64_t index = 0;  // from 0
  int depth = 1;
  Value last_changed;  // what loop.changed() saw last
  bool saw_change = false;

  // Undefined for an unknown name.
  Value attribute(std::string_view name) const;
};

}  // namespace issun::chat::jinja
