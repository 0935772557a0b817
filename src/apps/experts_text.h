// The text that `issun experts trace` and `report` read.
#pragma once

#include <string>
#include <vector>

#include "apps/commands.h"

namespace issun::apps {

struct ForcedText {
  std::string text, file;
  int prompt = 128, tokens = 128;

  void add(CLI::App& command);
  // The prompt's tokens, then those read one by one. Error: a text that is shorter.
  Result<std::vector<int32_t>> read(const tokenizer::Tokenizer& tokenizer) const;
};

}  // namespace issun::apps
