// GBNF, the grammar notation people know from other engines.
//
//   root ::= "a" [b-d]+ (x | y)? {2,5} .   rules, literals, classes, groups, repetition, any
//   # comment                              character; escapes \n \t \r \\ \" \[ \] \xHH \uHHHH
//   <[12]> <think>                         a token by its number or text  \UHHHHHHHH
// A rule goes on over line ends within parentheses, after ::= and after |.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "grammar/mixed_machine.h"
#include "grammar/rule_machine.h"
#include "tokenizer/tokenizer.h"

namespace issun::grammar {

// JSON text of a schema that a grammar may name as if it were one of its rules.
struct NamedSchema {
  std::string rule;
  std::string json;   // the schema
  std::string place;  // where it comes from, for messages
};

// Error, with line and column: malformed, an unknown rule, a token that is none, too large; or what
// RuleMachine refuses.
Result<RuleMachine> compile_gbnf(std::string_view text, const tokenizer::Tokenizer* tokens);
// The same with schemas, whose values have no space around them.
Result<MixedMachine> compile_gbnf(std::string_view text, const tokenizer::Tokenizer* tokens,
                                  std::span<const NamedSchema> schemas);

}  // namespace issun::grammar
