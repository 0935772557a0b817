// What JSON values may be, as tables: the form of a schema that json_machine runs.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "grammar/key_names.h"
#include "grammar/text_language.h"

namespace issun::grammar {

using RuleId = uint32_t;
constexpr RuleId kNoRule = 0xFFFFFFFF;

// A value is any one of these.
struct ValueRule {
  uint32_t kinds = 0;  // of kNull, kFalse, kTrue (schema_formula.h)
  int number = -1, string = -1;
  std::vector<uint32_t> arrays, objects;
};

// The rule of a property's value; and that of a value that also is the witness the object needs.
struct PropertyRule {
  RuleId rule = kNoRule, witness = kNoRule;
};

struct ObjectRule {
  KeyNames names;                   // numbers the properties that have a name of their own
  std::vector<PropertyRule> named;  // kNoRule: may not occur
  std::vector<bool> required;
  std::shared_ptr<const Dfa> others;  // other names; label i: classes[i - 1]. None: no others
  std::vector<PropertyRule> classes;
  RunTable runs;  // of `others`
  int64_t least = 0, most = Language::kNoLimit;
  bool needs_witness = false;
  bool distinct = false;  // other names must be told apart, since they are counted
};

// One way to read an item: as one that satisfies these `contains` (bits), by this rule.
struct ItemChoice {
  uint32_t matched = 0;
  RuleId rule = kNoRule;
};

struct ContainsRule {
  int64_t from = 0, least = 0, most = Language::kNoLimit;
  // How far it is worth counting.
  int64_t limit() const { return most == Language::kNoLimit ? least : most; }
};

struct ArrayRule {
  std::vector<std::vector<ItemChoice>> items;  // by index; the last is that of all further ones
  int64_t least = 0, most = Language::kNoLimit;
  std::vector<ContainsRule> contains;
  // Whether an array may still be completed: (index, counts) as json_array.h numbers them. Empty
  // without `contains`.
  std::vector<bool> completable;
};

struct JsonRules {
  std::vector<ValueRule> values;
  std::vector<TextLanguage> numbers, strings;
  std::vector<ArrayRule> arrays;
  std::vector<ObjectRule> objects;
  RuleId root = 0;
};

}  // namespace issun::grammar
