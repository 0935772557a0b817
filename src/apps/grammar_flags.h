// The flags that bind an answer to a grammar or a JSON Schema.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "grammar/grammar.h"

namespace issun::apps {

class GrammarFlags {
 public:
  void add(CLI::App& command);
  // After add(): none of them beside `flag`.
  void exclude(CLI::Option* flag) const;
  // nullptr: the answer is free. Error: a file that cannot be read, or what the compiler refuses.
  Result<std::shared_ptr<const grammar::Grammar>> read(const tokenizer::Tokenizer& tokenizer) const;

 private:
  std::string grammar_, grammar_file_, schema_, schema_file_;
  std::vector<CLI::Option*> flags_;
};

}  // namespace issun::apps
