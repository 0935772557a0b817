// How often a mixture-of-experts model sent each token to each expert: what routers are built from.
// Not here: the routers (routers.h).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace issun::measure {

struct RoutingCount {
  int expert = 0;
  int32_t token = 0;
  int64_t count = 0;  // visits, at least 1
};

struct RoutingCounts {
  std::vector<std::vector<RoutingCount>> layers;  // those sampled, from the first to the last
  int experts = 0;                                // one more than the highest id
  int32_t tokens = 0;                             // likewise
};

// JSON: a list with an object for each sampled layer, {expert: {token id: count}}. Error: anything
// else, with the layer, the expert and the token; `name` stands in front.
Result<RoutingCounts> parse_routing_counts(std::string_view text, std::string_view name);

// (token, visits in all layers), the most frequent first; of equals the lower id.
std::vector<std::pair<int32_t, int64_t>> by_frequency(const RoutingCounts& counts);

// For another vocabulary: the counts of the r-th most frequent token become those of the r-th most
// frequent in `text`, tokens of that vocabulary. Ranks that the text does not have are left out.
RoutingCounts moved_by_rank(const RoutingCounts& counts, std::span<const int32_t> text);

}  // namespace issun::measure
