// The commands of the one binary. Each add_ function describes its flags and leaves behind what to
// run.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "apps/console.h"
#include "apps/memory_flags.h"
#include "base/result.h"
#include "engine/runtime.h"

namespace issun::apps {

// The exit codes of every command.
constexpr int kDone = 0, kFailed = 1, kWrongUse = 2;

// What a command does once its flags are read: an exit code, or the sentence for stderr (and
// kFailed).
using Action = std::function<Result<int>()>;

void add_run(CLI::App& app, Action& action);
void add_inspect(CLI::App& app, Action& action);
void add_tokenize(CLI::App& app, Action& action);
void add_detokenize(CLI::App& app, Action& action);
void add_tokenizer(CLI::App& app, Action& action);
void add_logits(CLI::App& app, Action& action);
void add_verify(CLI::App& app, Action& action);
void add_bench(CLI::App& app, Action& action);
void add_synth(CLI::App& app, Action& action);
void add_import(CLI::App& app, Action& action);
void add_eval(CLI::App& app, Action& action);
void add_embed(CLI::App& app, Action& action);
void add_rerank(CLI::App& app, Action& action);
void add_pretrain(CLI::App& app, Action& action);
void add_tune(CLI::App& app, Action& action);
void add_merge(CLI::App& app, Action& action);
void add_quantize(CLI::App& app, Action& action);
void add_imatrix(CLI::App& app, Action& action);
void add_serve(CLI::App& app, Action& action);
void add_experts(CLI::App& app, Action& action);
void add_study(CLI::App& app, Action& action);
void add_pack(CLI::App& app, Action& action);
void add_pull(CLI::App& app, Action& action);
void add_list(CLI::App& app, Action& action);
void add_rm(CLI::App& app, Action& action);
void add_ps(CLI::App& app, Action& action);
void add_stop(CLI::App& app, Action& action);

// Flags that every command has that runs a model, by the names people know.
struct ModelFlags {
  std::string path;  // empty: the model that comes with the program
  engine::RuntimeOptions options;
  int ubatch = 0;                                        // 0: not given
  std::string cache_type = "f16", key_type, value_type;  // the last two empty: as the first
  std::string cache_rotation = "auto";
  std::vector<std::string> adapters, scaled_adapters;  // FILE, and FILE:SCALE
  struct Adapter {
    std::string file;
    float scale = 1;
  };
  // Of both flags, in the order in which open_model() adds them.
  Result<std::vector<Adapter>> all_adapters() const;
  bool scale_adapters_later = false;  // open_model() adds each with 1
  MemoryFlags memory;

  // All of them: add_model, -t, -c, add_compute.
  void add(CLI::App& command, bool optional_model = false);
  // --batch, --cache-type and its kin, --exact.
  void add_compute(CLI::App& command);
  // As a person reads it.
  std::string model_name() const;
  // The model opened, and ready to run with these flags. Error: as Runtime::open, and a cache type
  // that is none.
  Result<std::unique_ptr<engine::Runtime>> open() const;
  Result<std::unique_ptr<model::Model>> open_model() const;
  Result<engine::RuntimeOptions> runtime_options() const;
  // Says what a person should know of the model before it runs.
  void warn(const model::Model& model) const;

 private:
  const CLI::App* batch_command_ = nullptr;
};

// MODEL, also -m, --model, -hf and -mu, and the flags of where it comes from (model_source.h).
// `optional`: none is the model that comes with the program.
void add_model(CLI::App& command, std::string& path, bool optional = false);

// For CLI::Option::check(): refuses "", which a script gives when its variable is empty.
inline std::string expect_text(const std::string& text) {
  return text.empty() ? "expected a text that is not empty" : "";
}

// Error: what would be written is the file that is read.
Result<void> expect_another_file(const std::string& out, const std::string& in);

// "1,2,3". Error: what is no whole number.
Result<std::vector<int32_t>> parse_tokens(const std::string& text);

}  // namespace issun::apps
