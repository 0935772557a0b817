// GBNF, the grammar notation people know from other engines.
//
//   root ::= "a" [b-d]+ (x | y)? {2,5} .   rules, literals, classes, groups, repetition, any
//   # comment                              character; escapes \n \t \r \\ \" \[ \] \xHH \uHHHH
//   <[12]> <think>                         a token by its number or text  \UHHHHHHHH
// A rule goes on over line ends within parentheses, after ::= and after |.
#pragma once

#include <string_view>

#include "grammar/rule_machine.h"
#include "tokenizer/tokenizer.h"

namespace issun::grammar {

// Error, with line and column: malformed, an unknown rule, a token that is none, too large; or what
// RuleMachine refuses.
Result<RuleMachine> compile_gbnf(std::string_view text, const tokenizer::Tokenizer* tokens);

}  // namespace issun::grammar
