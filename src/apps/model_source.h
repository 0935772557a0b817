// Models that are named rather than given as files: found in the store, or fetched first.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>

#include "base/result.h"
#include "fetch/pull.h"

namespace issun::apps {

// The model by its repository or address, which people give by flags of their own (-hf,
// --model-url): what the model's flag takes as well, with a word before it that says which.
struct SourceFlag {
  const char *flag, *before;
};
// Of the flag or "flag=value"; nullptr: it is none of them.
const SourceFlag* source_flag(std::string_view argument);
std::string with_word(const SourceFlag& flag, std::string_view value);

// --offline, --endpoint, --token-file.
void add_source_flags(CLI::App& command);

// With progress and notes on stderr, and what the flags of the command and the environment say.
// Error: a token's file that cannot be read.
Result<fetch::PullOptions> pull_options(const CLI::App& command);

// By the flag, or ISSUN_OFFLINE.
bool is_offline(const CLI::App& command);

// After the command line is read: each model that the commands given were told by a name or an
// address becomes the path of its file. What is a file or a directory, or nothing that is known,
// stays as it is, and the command says what it expected.
Result<void> find_models(CLI::App& app);

}  // namespace issun::apps
