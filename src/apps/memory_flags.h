// Models larger than memory: how much of it they get, and how their weights come and go.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "engine/runtime.h"

namespace issun::apps {

struct MemoryFlags {
  std::string memory;  // empty: not given
  std::string policy = "lfru", missing = "exact", twin, trace;
  int guesses = model::kAsUsed, lookahead = 1, io_threads = 3;
  double bias = 0.1, least_share = 0.2;

  // Ways besides `missing` that the command will try.
  std::vector<model::Missing> also = {};

  void add(CLI::App& command);
  // Error: what is no size, or a flag that only counts beside another that is not given.
  Result<void> apply(engine::RuntimeOptions& options) const;
  // Whether any of the flags about experts was given.
  bool expert_flags() const { return command_ != nullptr && !given().empty(); }
  // The first of them; empty: none.
  std::string given() const;

 private:
  bool has(const char* flag) const { return command_ != nullptr && command_->count(flag) > 0; }
  const CLI::App* command_ = nullptr;
};

// Where weights come and go, says how fast that is going to be, or why that cannot be said.
void tell_forecast(engine::Runtime& runtime);

// Of the uses of weights, say; 0 of nothing.
inline double share(int64_t part, int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

// The plan as people read it, some lines.
std::string describe(const engine::MemoryChoice& choice, const model::Model& model);

}  // namespace issun::apps
