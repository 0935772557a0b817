// libFuzzer target: any text is refused, or is counts whose ids and sums can all be used.
#include "measure/routing_counts.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace issun::measure;
  const auto counts = parse_routing_counts({reinterpret_cast<const char*>(data), size}, "fuzz");
  if (!counts) return 0;
  for (const auto& layer : counts->layers) {
    if (layer.empty()) __builtin_trap();
    for (const RoutingCount& count : layer) {
      if (count.expert < 0 || count.expert >= counts->experts) __builtin_trap();
      if (count.token < 0 || count.token >= counts->tokens) __builtin_trap();
    }
  }
  const int32_t text[] = {3, 1, 3, 2};
  if (moved_by_rank(*counts, text).tokens > 4) __builtin_trap();
  for (const auto& [token, visits] : by_frequency(*counts)) {
    if (visits < 1) __builtin_trap();
  }
  return 0;
}
