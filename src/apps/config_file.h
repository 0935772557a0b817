// A file in which the long flags of a command may stand.
//
//   # comment
//   port = 8080              a number, a word without blanks, or a text in " or ' (in " with the
//   alias = "my model"       escapes \" \\ \n \t)
//   no-webui = true          a flag that takes nothing
//   api-key = ["a", "b"]     a flag that may be repeated, on one line
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace issun::apps {

struct ConfigLine {
  int line = 0;  // from 1
  std::string name;
  std::vector<std::string> values;
  bool listed = false;  // in brackets
};

// Error: with the line.
Result<std::vector<ConfigLine>> parse_config(std::string_view text);

// Gives the command's options what the file says, but where the command line said something.
// Throws CLI::ParseError, with the file and the line: a name that is no flag of the command, a
// value that the flag refuses, a flag twice.
void apply_config(CLI::App& command, const std::string& path);

}  // namespace issun::apps
