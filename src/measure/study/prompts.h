// The texts that a study asks a model.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace issun::measure {

// Five Japanese questions of a published comparison from 2024: to go on with a story, to answer, to
// sum up, to translate, to program. As they were published, the third without its closing bracket.
const std::vector<std::string>& default_prompts();

// A JSON array of texts, or a text a line; empty lines are left out. Error: no text in it.
Result<std::vector<std::string>> parse_prompts(std::string_view text, const std::string& name);

// Plain text out of a file: of .jsonl the "text" of each line, of others all. At most `bytes`,
// never half a character. Error: the file, or nothing in it.
Result<std::string> read_study_text(const std::string& path, int64_t bytes);

}  // namespace issun::measure
