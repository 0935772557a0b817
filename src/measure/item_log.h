// The results of a task item by item, kept in a file from which a run that was interrupted goes on.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "base/result.h"
#include "model/model.h"

namespace issun::measure {

// JSON lines: first what the run is (the hashes of model and data among it), then
// {"item": index, ...} as each is done. A last line cut off by a kill is forgotten.
class ItemLog {
 public:
  // In memory alone.
  ItemLog() = default;
  // Error: another run's file (what differs is named), or one that is none.
  static Result<ItemLog> open(const std::string& path, const nlohmann::ordered_json& run);

  // nullptr: not done yet.
  const Json* find(int64_t item) const;
  // result: an object. On the way to the disk when this returns.
  Result<void> add(int64_t item, const nlohmann::ordered_json& result);

 private:
  Result<void> read(const std::string& path, std::string_view lines);

  std::optional<File> file_;
  std::map<int64_t, Json> results_;
};

// For each item in order its result: the log's, or else what measure(item) gives, which the log
// then has. progress(done, total, newly): how many are done, and how many of them in this run.
Result<std::vector<const Json*>> run_items(
    std::span<const int64_t> items, ItemLog& log,
    const std::function<Result<nlohmann::ordered_json>(int64_t item)>& measure,
    const std::function<void(int64_t done, int64_t total, int64_t newly)>& progress);

// Of `total` items: all where limit is 0 or not below that; the first `limit`; or with a seed that
// many by chance, in their order.
std::vector<int64_t> choose_items(int64_t total, int64_t limit, std::optional<uint64_t> seed);

// "a1b2...", 16 digits: of bytes, and of all that a model computes with.
std::string fingerprint(std::string_view bytes);
std::string fingerprint(const model::Model& model);

}  // namespace issun::measure
