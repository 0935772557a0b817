// From a clause about objects to the rule of an object: which names there are, and what each may
// hold.
#pragma once

#include <functional>

#include "grammar/json_rules.h"
#include "grammar/schema_clauses.h"

namespace issun::grammar {

using RuleOf = std::function<Result<RuleId>(std::vector<Literal>)>;

Result<ObjectRule> make_object_rule(const Formula& formula, const Clause& clause,
                                    ClauseContext& context, const RuleOf& rule_of);

// All that a clause says about the value of one property; kNever if it may not be there.
Result<std::vector<Literal>> conditions_of(const Formula& formula, const Clause& clause,
                                           const std::string& name, ClauseContext& context);

}  // namespace issun::grammar
