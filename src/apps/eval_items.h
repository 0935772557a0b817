// Tasks made of items: which of them, where their results are kept, and how far one is.
#pragma once

#include "apps/eval.h"
#include "measure/item_log.h"
#include "measure/statistics.h"

namespace issun::apps {

struct ItemFlags {
  std::string data, resume;
  int64_t limit = 0;
  std::optional<uint64_t> seed;
  bool json = false;

  // data_flag: "--task" or "-f,--file,--task".
  void add(CLI::App& command, const std::string& data_flag, const char* data_help);
  std::vector<int64_t> choose(int64_t total) const;
};

using MeasureItem = std::function<Result<Json>(int64_t item)>;

// The items of flags.choose(total), each measured unless it is in --resume's file, which `run`
// describes. Result: one object an item.
Result<std::vector<issun::Json>> measure_items(const ItemFlags& flags, const Json& run,
                                               int64_t total, const MeasureItem& measure);

// What --resume holds a later run to, but for the task's own: task, data and model by their hashes.
// runtime: nullptr where no model runs.
Json describe_run(const char* task, const std::string& data, engine::Runtime* runtime);
// What every report of items ends with.
void tell_items(const ItemFlags& flags, int64_t total, int64_t measured, double seconds,
                Json* report);

// "45.00 % (40.70 to 49.38), 225 of 500".
std::string readable(const measure::Share& share);

}  // namespace issun::apps
