#include "experts/replay.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"
#include "experts/belady.h"
#include "experts/reuse.h"

namespace issun::experts {

namespace {

constexpr const char* kContenderNames[kContenders] = {"lru",    "lfu",    "lfru",
                                                      "s3fifo", "static", "belady"};

// What is in memory of one layer, and who goes.
class Cache {
 public:
  virtual ~Cache() = default;
  virtual bool has(int unit) const = 0;
  // A batch's visits, after has() was asked for each of them.
  virtual void visit(int batch, std::span<const int32_t> units,
                     std::span<const int32_t> tokens) = 0;
};

class PolicyCache : public Cache {
 public:
  PolicyCache(PolicyKind kind, int units, int slots)
      : policy_(Policy::create(kind, units)),
        resident_(static_cast<size_t>(units)),
        slots_(slots) {}

  bool has(int unit) const override { return resident_[static_cast<size_t>(unit)] != 0; }

  void visit(int, std::span<const int32_t> units, std::span<const int32_t> tokens) override {
    for (size_t i = 0; i < units.size(); ++i) policy_->use(units[i], tokens[i]);
    for (const int32_t unit : units) {
      if (has(unit)) continue;
      policy_->admit(unit);
      resident_[static_cast<size_t>(unit)] = 1;
      ++count_;
    }
    for (; count_ > slots_; --count_) {
      const int unit = policy_->victim(resident_);
      CHECK_THAT(unit >= 0 && has(unit));
      policy_->drop(unit);
      resident_[static_cast<size_t>(unit)] = 0;
    }
  }

 private:
  std::unique_ptr<Policy> policy_;
  std::vector<uint8_t> resident_;
  int slots_, count_ = 0;
};

// Only what the first half of the batches visited is ever held, so that the optimum could hold it
// too.
class StaticCache : public Cache {
 public:
  StaticCache(const LayerVisits& layer, int batches, int slots)
      : held_(static_cast<size_t>(layer.units)) {
    std::vector<int64_t> uses(held_.size());
    const auto end = static_cast<size_t>(layer.begin[static_cast<size_t>(batches / 2)]);
    for (size_t i = 0; i < end; ++i) uses[static_cast<size_t>(layer.unit[i])] += layer.tokens[i];
    std::vector<size_t> order(held_.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return uses[a] > uses[b]; });
    for (size_t i = 0; i < order.size() && static_cast<int>(i) < slots; ++i)
      held_[order[i]] = uses[order[i]] > 0;
  }
  bool has(int unit) const override { return held_[static_cast<size_t>(unit)] != 0; }
  void visit(int, std::span<const int32_t>, std::span<const int32_t>) override {}

 private:
  std::vector<uint8_t> held_;
};

class BeladyCache : public Cache {
 public:
  BeladyCache(const LayerVisits& layer, std::span<const uint8_t> counted, int slots)
      : optimum_(layer, counted, slots) {}
  bool has(int unit) const override { return optimum_.has(unit); }
  void visit(int batch, std::span<const int32_t>, std::span<const int32_t>) override {
    optimum_.visit(batch);
  }

 private:
  Belady optimum_;
};

std::unique_ptr<Cache> cache_of(Contender contender, const LayerVisits& layer, int batches,
                                std::span<const uint8_t> counted, int slots) {
  switch (contender) {
    case Contender::Lru:
      return std::make_unique<PolicyCache>(PolicyKind::Lru, layer.units, slots);
    case Contender::Lfu:
      return std::make_unique<PolicyCache>(PolicyKind::Lfu, layer.units, slots);
    case Contender::Lfru:
      return std::make_unique<PolicyCache>(PolicyKind::Lfru, layer.units, slots);
    case Contender::S3Fifo:
      return std::make_unique<PolicyCache>(PolicyKind::S3Fifo, layer.units, slots);
    case Contender::Static:
      return std::make_unique<StaticCache>(layer, batches, slots);
    case Contender::Belady:
      return std::make_unique<BeladyCache>(layer, counted, slots);
  }
  return nullptr;
}

LayerVisits visits_of(const Trace& trace, int l) {
  LayerVisits layer;
  layer.units = trace.header.experts[static_cast<size_t>(l)];
  layer.unit_bytes = trace.header.expert_bytes[static_cast<size_t>(l)];
  layer.begin.push_back(0);
  std::vector<int32_t> ids;
  for (const TraceBatch& batch : trace.batches) {
    ids.clear();
    for (int r = 0; r < batch.rows; ++r) {
      const auto chosen = batch.chosen(trace.header, l, r);
      ids.insert(ids.end(), chosen.begin(), chosen.end());
    }
    std::sort(ids.begin(), ids.end());
    for (size_t i = 0; i < ids.size(); ++i) {
      if (i > 0 && ids[i] == ids[i - 1]) {
        ++layer.tokens.back();
      } else {
        layer.unit.push_back(ids[i]);
        layer.tokens.push_back(1);
      }
    }
    layer.begin.push_back(static_cast<int64_t>(layer.unit.size()));
  }
  return layer;
}

}  // namespace

Visits Visits::of(const Trace& trace) {
  Visits visits;
  visits.batches = static_cast<int>(trace.batches.size());
  for (const TraceBatch& batch : trace.batches) visits.rows.push_back(batch.rows);
  for (int l = 0; l < trace.header.mixture_layers(); ++l)
    visits.layers.push_back(visits_of(trace, l));
  return visits;
}

const char* name(Contender contender) { return kContenderNames[static_cast<int>(contender)]; }

std::optional<Contender> contender_from_name(std::string_view name) {
  for (int i = 0; i < kContenders; ++i) {
    if (name == kContenderNames[i]) return static_cast<Contender>(i);
  }
  return std::nullopt;
}

std::vector<uint8_t> count_all(const Trace& trace) {
  return std::vector<uint8_t>(trace.batches.size(), 1);
}

std::vector<uint8_t> count_generated(const Trace& trace) {
  std::vector<uint8_t> counted;
  for (const TraceBatch& batch : trace.batches) counted.push_back(batch.phase == Phase::Generate);
  return counted;
}

std::vector<uint8_t> second_half(std::vector<uint8_t> counted) {
  std::fill_n(counted.begin(), counted.size() / 2, uint8_t{0});
  return counted;
}

double LayerOutcome::hit_ratio() const {
  const int64_t visits = hits + misses;
  return visits == 0 ? 0 : static_cast<double>(hits) / static_cast<double>(visits);
}

int64_t ReplayOutcome::hits() const {
  int64_t sum = 0;
  for (const LayerOutcome& layer : layers) sum += layer.hits;
  return sum;
}

int64_t ReplayOutcome::misses() const {
  int64_t sum = 0;
  for (const LayerOutcome& layer : layers) sum += layer.misses;
  return sum;
}

double ReplayOutcome::hit_ratio() const { return LayerOutcome{hits(), misses()}.hit_ratio(); }

double ReplayOutcome::bytes_per_token() const {
  return tokens == 0 ? 0 : static_cast<double>(bytes) / static_cast<double>(tokens);
}

ReplayOutcome replay(const Visits& visits, Contender contender, const ReplaySetting& setting) {
  CHECK_THAT(setting.slots.size() == visits.layers.size());
  CHECK_THAT(setting.counted.size() == static_cast<size_t>(visits.batches));
  std::vector<uint8_t> counted(setting.counted.begin(), setting.counted.end());
  if (contender == Contender::Static) counted = second_half(std::move(counted));
  ReplayOutcome outcome;
  for (size_t b = 0; b < counted.size(); ++b)
    outcome.tokens += counted[b] != 0 ? visits.rows[b] : 0;
  for (size_t l = 0; l < visits.layers.size(); ++l) {
    const LayerVisits& layer = visits.layers[l];
    const auto cache = cache_of(contender, layer, visits.batches, counted, setting.slots[l]);
    LayerOutcome found;
    for (size_t b = 0; b < counted.size(); ++b) {
      const auto begin = static_cast<size_t>(layer.begin[b]);
      const auto units =
          std::span(layer.unit).subspan(begin, static_cast<size_t>(layer.begin[b + 1]) - begin);
      for (const int32_t unit : units) {
        const bool hit = cache->has(unit);
        if (counted[b] != 0) ++(hit ? found.hits : found.misses);
        if (setting.seen) setting.seen({static_cast<int>(l), static_cast<int>(b), unit, hit});
      }
      cache->visit(static_cast<int>(b), units,
                   std::span(layer.tokens).subspan(begin, units.size()));
    }
    outcome.bytes += found.misses * layer.unit_bytes;
    outcome.layers.push_back(found);
  }
  return outcome;
}

std::vector<std::vector<double>> gain_curves(const Visits& visits,
                                             std::span<const uint8_t> counted) {
  int64_t tokens = 0;
  for (size_t b = 0; b < counted.size(); ++b) tokens += counted[b] != 0 ? visits.rows[b] : 0;
  std::vector<std::vector<double>> curves;
  for (const LayerVisits& layer : visits.layers) {
    ReuseCurve reuse(layer.units);
    for (size_t b = 0; b < counted.size(); ++b) {
      const auto begin = static_cast<size_t>(layer.begin[b]);
      reuse.use_together(
          std::span(layer.unit).subspan(begin, static_cast<size_t>(layer.begin[b + 1]) - begin),
          counted[b] != 0);
    }
    const double scale = tokens == 0 ? 0
                                     : reuse.uses() * static_cast<double>(layer.unit_bytes) /
                                           static_cast<double>(tokens);
    std::vector<double> curve;
    for (const double share : reuse.curve()) curve.push_back(share * scale);
    curves.push_back(std::move(curve));
  }
  return curves;
}

std::vector<GuessRecall> recall_of_guesses(const Trace& trace) {
  struct Sums {
    int64_t rows = 0, first = 0, first_two = 0, first_used = 0;
  };
  std::vector<Sums> sums(trace.header.layers.size() + 1);
  const auto used = static_cast<size_t>(trace.header.used);
  for (const TraceBatch& batch : trace.batches) {
    for (size_t l = 0; l < batch.guesses.size(); ++l) {
      const auto chosen = batch.chosen(trace.header, static_cast<int>(l), 0);
      for (size_t d = 0; d < batch.guesses[l].size(); ++d) {
        const std::vector<int32_t>& guess = batch.guesses[l][d];
        if (guess.empty()) continue;
        Sums& sum = sums[d];
        ++sum.rows;
        for (size_t i = 0; i < std::min(guess.size(), std::max<size_t>(used, 2)); ++i) {
          if (std::find(chosen.begin(), chosen.end(), guess[i]) == chosen.end()) continue;
          sum.first += i < 1;
          sum.first_two += i < 2;
          sum.first_used += i < used;
        }
      }
    }
  }
  std::vector<GuessRecall> recalls;
  for (size_t d = 0; d < sums.size(); ++d) {
    if (sums[d].rows == 0) continue;
    const double chosen = static_cast<double>(sums[d].rows) * trace.header.used;
    recalls.push_back({.distance = static_cast<int>(d) + 1,
                       .guesses = sums[d].rows,
                       .first = static_cast<double>(sums[d].first) / chosen,
                       .first_two = static_cast<double>(sums[d].first_two) / chosen,
                       .first_used = static_cast<double>(sums[d].first_used) / chosen});
  }
  return recalls;
}

}  // namespace issun::experts
