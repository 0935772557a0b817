// What a cache of so many experts a layer would have done with a recorded trace: under each policy,
// under a choice that never changes, and under the best that could have been done knowing the
// future. The model is that of the store: a batch visits each expert it needs once, a missing one
// is read and takes part, and after the batch the layer gives up experts until its slots suffice.
// So a batch that needs more experts than there are slots passes them through.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "experts/policy.h"
#include "experts/trace.h"

namespace issun::experts {

// The experts that each batch visits in one layer, each once, by rising number.
struct LayerVisits {
  int units = 0;
  int64_t unit_bytes = 0;
  std::vector<int64_t> begin;   // (batches + 1) into the next two
  std::vector<int32_t> unit;    // which
  std::vector<int32_t> tokens;  // by how many of the batch's tokens
};

struct Visits {
  int batches = 0;
  std::vector<int> rows;  // of each batch
  std::vector<LayerVisits> layers;

  static Visits of(const Trace& trace);
};

enum class Contender {
  Lru,
  Lfu,
  Lfru,
  S3Fifo,
  Static,  // those used most in the first half of the batches, held through the second; only that
           // half counts
  Belady,  // the optimum: those stay that are needed soonest (Belady, IBM Systems Journal 5(2),
           // 1966)
};
constexpr int kContenders = 6;

const char* name(Contender contender);  // "lru", ..., "static", "belady"
std::optional<Contender> contender_from_name(std::string_view name);

// Of each batch, whether its visits count. Those of the others change what is in memory all the
// same.
std::vector<uint8_t> count_all(const Trace& trace);
std::vector<uint8_t> count_generated(const Trace& trace);
// The same, but for the first half of the batches.
std::vector<uint8_t> second_half(std::vector<uint8_t> counted);

struct ReplayVisit {
  int layer = 0, batch = 0, unit = 0;
  bool hit = false;
};

struct ReplaySetting {
  std::span<const int> slots;                         // of each layer
  std::span<const uint8_t> counted;                   // of each batch
  std::function<void(const ReplayVisit&)> seen = {};  // told of every visit, counted or not
};

struct LayerOutcome {
  int64_t hits = 0, misses = 0;
  double hit_ratio() const;  // 0 without visits
};

// Of counted visits only.
struct ReplayOutcome {
  std::vector<LayerOutcome> layers;
  int64_t bytes = 0;   // read for misses
  int64_t tokens = 0;  // rows of the counted batches

  int64_t hits() const;
  int64_t misses() const;
  double hit_ratio() const;
  double bytes_per_token() const;
};

// From an empty memory. Belady's optimum is that of the counted hits, layer by layer.
ReplayOutcome replay(const Visits& visits, Contender contender, const ReplaySetting& setting);

// How many bytes a token would be spared with 0, 1, ... slots by an LRU, of each layer: curves for
// divide_slots(), measured on the counted batches.
std::vector<std::vector<double>> gain_curves(const Visits& visits,
                                             std::span<const uint8_t> counted);

// How good guesses of a layer's experts were that were made so many mixture layers before.
struct GuessRecall {
  int distance = 0;
  int64_t guesses = 0;  // rows that had one
  // Share of the experts really chosen that were among the first one, two, `used` guesses. With
  // `used` experts chosen, the first can be at most 1 / used, the second 2 / used.
  double first = 0, first_two = 0, first_used = 0;
};

// By rising distance, of those distances that the trace has guesses for.
std::vector<GuessRecall> recall_of_guesses(const Trace& trace);

}  // namespace issun::experts
