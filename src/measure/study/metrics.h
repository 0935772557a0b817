// What a run of a study measured: figures by name, each a number or the reason why there is none.
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace issun::measure {

struct Measured {
  std::optional<double> value;
  std::string why;  // there is no value

  static Measured unavailable(std::string why) { return {std::nullopt, std::move(why)}; }
  bool operator==(const Measured&) const = default;
};
inline Measured measured(double value) { return {value, ""}; }

using Metrics = std::map<std::string, Measured, std::less<>>;

// The value of that name; nullopt where it is not there or unavailable.
std::optional<double> value_of(const Metrics& metrics, std::string_view key);

// Whether the idle power before and after a run differ by more than a tenth: then the machine had
// other things to do, or was still hot.
bool idle_disagrees(const Metrics& metrics);

// {"ipc": "unavailable: no permission", "cache_bytes": 1048576}
nlohmann::ordered_json to_json(const Metrics& metrics);
// Error: a member that is neither a number nor such a text.
Result<Metrics> metrics_from_json(const Json& json);

// What a figure is called and means.
struct MetricFacts {
  const char* key;
  const char* label;
  const char* unit;     // as shown; empty: a bare number
  double scale;         // what the value is multiplied with to be shown in that unit
  const char* meaning;  // a sentence: what is measured, how
};
// All figures there are, in the order of tables.
std::span<const MetricFacts> all_metrics();
const MetricFacts* find_metric(std::string_view key);

}  // namespace issun::measure
