// The flags that say how each token is chosen, by the names and defaults people know.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/sampling/options.h"

namespace issun::apps {

class SamplerFlags {
 public:
  void add(CLI::App& command);
  // Once all flags are read, and before anything else is done. Throws CLI::ValidationError: a value
  // out of range, a flag that needs another which is not there, or one that another overrules. What
  // a value only makes idle, as temperature 0 all that cuts, is taken.
  void settle();
  const engine::SamplerOptions& options() const { return options_; }

 private:
  void add_cuts(CLI::App& command);
  void add_penalties(CLI::App& command);
  void add_dry(CLI::App& command);
  void add_mirostat(CLI::App& command);
  void read_texts();
  void check_effects() const;

  class Adder;
  struct Part {
    engine::SamplingStep step;
    CLI::Option* flag;
  };
  engine::SamplerOptions options_;
  int64_t seed_ = -1;
  std::string steps_, letters_;
  std::vector<std::string> biases_, breakers_;
  std::vector<Part> parts_;
  CLI::Option *samplers_ = nullptr, *sequence_ = nullptr;
};

}  // namespace issun::apps
