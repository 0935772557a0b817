#include "measure/routing_counts.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <string>

#include "base/json_reader.h"
#include "base/quote.h"

namespace issun::measure {

namespace {

// Beyond what any model has: bounds for numbers out of files.
constexpr int64_t kMostLayers = 1 << 10, kMostExperts = 1 << 12, kMostTokens = int64_t{1} << 22;
constexpr int64_t kMostVisits = int64_t{1} << 40;

Result<int64_t> read_id(std::string_view text, std::string_view what, int64_t end) {
  int64_t id = -1;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || stop != text.data() + text.size() || id < 0 || id >= end) {
    return fail("expected {} from 0 to {}, found '{}'", what, end - 1, printable(text));
  }
  return id;
}

Result<void> read_expert(JsonReader& json, int expert, std::vector<RoutingCount>& layer) {
  return json.object([&](const std::string& key) -> Result<void> {
    const int64_t token = TRY(read_id(key, "a token id", kMostTokens));
    const JsonNumber count = TRY(json.number());
    if (!count.whole || count.integer < 1 || count.integer > kMostVisits) {
      return fail("expert {}, token {}: expected a count from 1 to {}, found {}", expert, token,
                  kMostVisits, count.value);
    }
    layer.push_back({expert, static_cast<int32_t>(token), count.integer});
    return {};
  });
}

Result<std::vector<RoutingCount>> read_layer(JsonReader& json) {
  std::vector<RoutingCount> layer;
  TRY(json.object([&](const std::string& key) -> Result<void> {
    const int64_t expert = TRY(read_id(key, "an expert", kMostExperts));
    return read_expert(json, static_cast<int>(expert), layer);
  }));
  if (layer.empty()) return fail("expected counts, found none");
  // A token that stands there twice would count twice in some sums and once in others.
  std::sort(layer.begin(), layer.end(), [](const RoutingCount& a, const RoutingCount& b) {
    return std::pair(a.expert, a.token) < std::pair(b.expert, b.token);
  });
  for (size_t i = 1; i < layer.size(); ++i) {
    if (layer[i].expert == layer[i - 1].expert && layer[i].token == layer[i - 1].token) {
      return fail("expert {}: expected token {} once, found it again", layer[i].expert,
                  layer[i].token);
    }
  }
  return layer;
}

Result<RoutingCounts> read_counts(std::string_view text) {
  RoutingCounts counts;
  JsonReader json(text);
  TRY(json.array([&]() -> Result<void> {
    const size_t l = counts.layers.size();
    if (static_cast<int64_t>(l) >= kMostLayers) {
      return fail("expected at most {} layers", kMostLayers);
    }
    auto layer = read_layer(json);
    if (!layer) return fail("sampled layer {}: {}", l, layer.error().message);
    counts.layers.push_back(std::move(*layer));
    return {};
  }));
  TRY(json.end());
  if (counts.layers.empty()) return fail("expected a layer or more, found none");
  for (const auto& layer : counts.layers) {
    for (const RoutingCount& count : layer) {
      counts.experts = std::max(counts.experts, count.expert + 1);
      counts.tokens = std::max(counts.tokens, count.token + 1);
    }
  }
  return counts;
}

std::vector<std::pair<int32_t, int64_t>> sorted(const std::map<int32_t, int64_t>& visits) {
  std::vector<std::pair<int32_t, int64_t>> all(visits.begin(), visits.end());
  std::stable_sort(all.begin(), all.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  return all;
}

}  // namespace

Result<RoutingCounts> parse_routing_counts(std::string_view text, std::string_view name) {
  Result<RoutingCounts> counts = read_counts(text);
  if (!counts) return fail("{}: {}", name, counts.error().message);
  return counts;
}

std::vector<std::pair<int32_t, int64_t>> by_frequency(const RoutingCounts& counts) {
  std::map<int32_t, int64_t> visits;
  for (const auto& layer : counts.layers) {
    for (const RoutingCount& count : layer) {
      // Capped, so that no file can make the sum overflow.
      int64_t& sum = visits[count.token];
      sum = std::min(sum + count.count, kMostVisits << 10);
    }
  }
  return sorted(visits);
}

RoutingCounts moved_by_rank(const RoutingCounts& counts, std::span<const int32_t> text) {
  std::map<int32_t, int64_t> seen;
  for (const int32_t token : text) ++seen[token];
  const auto from = by_frequency(counts), to = sorted(seen);
  std::map<int32_t, int32_t> moves;
  for (size_t r = 0; r < std::min(from.size(), to.size()); ++r) moves[from[r].first] = to[r].first;
  RoutingCounts moved{.layers = {}, .experts = counts.experts, .tokens = 0};
  for (const auto& layer : counts.layers) {
    std::vector<RoutingCount>& out = moved.layers.emplace_back();
    for (const RoutingCount& count : layer) {
      const auto move = moves.find(count.token);
      if (move == moves.end()) continue;
      out.push_back({count.expert, move->second, count.count});
      moved.tokens = std::max(moved.tokens, move->second + 1);
    }
  }
  return moved;
}

}  // namespace issun::measure
