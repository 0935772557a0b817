// What the commands of `issun eval` share: a file each, eval_*.cpp.
#pragma once

#include "apps/commands.h"
#include "apps/json.h"
#include "measure/windows.h"

namespace issun::apps {

void add_eval_perplexity(CLI::App& eval, Action& action);
void add_eval_kld(CLI::App& eval, Action& action);
void add_eval_choice(CLI::App& eval, Action& action);
void add_eval_last_word(CLI::App& eval, Action& action);
void add_eval_code(CLI::App& eval, Action& action);

// A text to read in windows of --ctx-size tokens.
struct WindowFlags {
  std::string text, protocol = "strided";
  int stride = 0;

  void add(CLI::App& command);
  measure::WindowOptions options(engine::Runtime& runtime) const;
};

// With a window as the context where none is stated, and room for many rows of logits at a time.
// context: of the model with the shortest.
Result<engine::RuntimeOptions> window_runtime_options(const ModelFlags& flags, int64_t context,
                                                      int vocabulary);

// As --ctx-size says, with room for many rows of logits at a time.
Result<std::unique_ptr<engine::Runtime>> open_for_scoring(const ModelFlags& flags);

// How the model computed: cache_type, exact, isa, threads.
void tell_facts(engine::Runtime& runtime, Json* report);
// "1,000 of 3,000, about 12 s left" for `done` of `total` since `start`.
std::string progress(int64_t done, int64_t total, double start, const char* what);

}  // namespace issun::apps
