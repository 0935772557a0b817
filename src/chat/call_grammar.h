// The grammar (GBNF) of an answer that calls tools and does nothing else.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "chat/call_form.h"
#include "tokenizer/tokenizer.h"

namespace issun::chat {

// A tool that may be called, and the rule that its arguments follow.
struct CallableTool {
  std::string name;
  std::string rule;
};

struct CallGrammarInput {
  const CallForm& form;
  const AnswerFormat& format;
  std::span<const CallableTool> tools;
  bool one_call = false;
  std::string_view prompt;  // which the answer goes on from
};

// What was thought may stand before, where the format knows thoughts and the prompt has not closed
// them. The rules of the tools are left for the caller to give. Marks that are tokens of their own
// are named as such.
std::string call_grammar(const CallGrammarInput& input, const tokenizer::Tokenizer& tokenizer);

// A rule `name`, with others that begin so, of any text up to `mark`, which it takes too.
std::string text_up_to(const std::string& name, std::string_view mark);

}  // namespace issun::chat
