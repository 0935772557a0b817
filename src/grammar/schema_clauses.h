// What arrays or objects satisfy a formula: a list of clauses, each a plain conjunction.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "grammar/schema_languages.h"

namespace issun::grammar {

struct Clause {
  int64_t least = 0, most = Language::kNoLimit;  // properties or items

  // Objects.
  std::map<std::string, std::vector<Literal>> properties;  // what holds for the value, if any
  std::set<std::string> required;
  std::vector<const FormulaNode*> patterns, others;  // Op::Pattern, Op::Others
  std::vector<Literal> names;                        // hold for each name
  struct Witness {  // there is a property with a name in `keys` whose value satisfies `value`
    std::shared_ptr<const Dfa> keys;
    std::vector<Literal> value;
  };
  std::vector<Witness> witnesses;

  // Arrays.
  std::map<size_t, std::vector<Literal>> items_at;
  std::vector<std::pair<size_t, Literal>> items;  // from this index on
  struct Contains {
    Literal item;
    int64_t from = 0, least = 0, most = Language::kNoLimit;
  };
  std::vector<Contains> contains;
};

// What clauses() asks back.
class ClauseContext {
 public:
  virtual ~ClauseContext() = default;
  virtual Truth truth(Literal literal, Kind kind) const = 0;
  // Whether no value of this kind can satisfy both; false if that is not easily seen.
  virtual Result<bool> disjoint(Literal a, Literal b, Kind kind) = 0;
  virtual Result<Language> strings(const Conjunction& conjunction) = 0;
  virtual Work& work() = 0;
};

// `kind`: kArray or kObject. Error: too many clauses.
Result<std::vector<Clause>> clauses(const Formula& formula, const Conjunction& conjunction,
                                    Kind kind, ClauseContext& context);

}  // namespace issun::grammar
