// The flags that let several tokens of an answer be computed in one batch.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "engine/runtime.h"
#include "engine/speculation.h"

namespace issun::apps {

class SpeculationFlags {
 public:
  void add(CLI::App& command);
  // Once all flags are read. Throws CLI::ValidationError: one that counts only beside another that
  // is not there, or sizes the wrong way round.
  void settle() const;

  bool on() const { return mode_ != "none" || !draft_.empty(); }
  // Before the runtime is made, for what it plans: of `sequences` at once.
  void plan(int sequences, engine::RuntimeOptions& options) const;
  // What runs on it guesses so; nothing without the flags. Error: a model that cannot take back
  // what it read, a draft model that cannot be opened or has another vocabulary.
  Result<engine::SpeculationOptions> open(engine::Runtime& runtime) const;

 private:
  Result<std::shared_ptr<engine::Drafter>> drafter(engine::Runtime& runtime) const;
  bool has(const char* flag) const { return command_->count(flag) > 0; }

  std::string mode_ = "none", draft_;
  engine::SpeculationOptions options_;
  int least_ = 2, most_ = 4;
  double least_probability_ = 0.5;
  const CLI::App* command_ = nullptr;
};

}  // namespace issun::apps
