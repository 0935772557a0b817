// What a program tells that prints its figures as llama-bench does with -o json.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "measure/study/records.h"

namespace issun::measure {

// The command with {prompt}, {generate}, {context} and {threads} replaced: a prompt that fills the
// context but for what is generated.
std::string fill_in(std::string command, int context, int threads, int generate);

// prompt_tokens_per_second and generation_tokens_per_second of the tests in it, their tokens, and
// as facts the model, the cache types and the build. What comes before the array is passed over.
// Error: no such array, more than one test of a kind, or no test at all.
Result<StudyRecord> read_llama_bench(std::string_view output);

}  // namespace issun::measure
