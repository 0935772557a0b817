#include "grammar/json_object.h"

#include <array>
#include <optional>

namespace issun::grammar {

namespace {

constexpr size_t kCount = 0, kFlags = 1, kBits = 2;
constexpr uint32_t kWitnessed = 1, kClosed = 2;  // closed: no other names any more
constexpr uint32_t kMaxKeyCount = 1u << 30;

// Beyond it nothing changes.
uint32_t count_limit(const ObjectRule& rule) {
  const int64_t limit = rule.most == Language::kNoLimit ? rule.least : rule.most;
  return static_cast<uint32_t>(std::min<int64_t>(limit, kMaxKeyCount));
}

void add_one(const ObjectRule& rule, Seen& seen, bool witness) {
  seen[kCount] = std::min(seen[kCount] + 1, count_limit(rule));
  if (witness) seen[kFlags] |= kWitnessed;
}

bool pending_witness(const ObjectRule& rule, const Seen& seen) {
  return rule.needs_witness && (seen[kFlags] & kWitnessed) == 0;
}

bool others_open(const ObjectRule& rule, const Seen& seen) {
  return rule.others != nullptr && (seen[kFlags] & kClosed) == 0;
}

}  // namespace

Seen first_seen(const ObjectRule& rule) { return Seen(kBits + (rule.named.size() + 31) / 32); }

bool was_seen(const Seen& seen, uint32_t name) {
  return (seen[kBits + name / 32] >> name % 32 & 1) != 0;
}

bool other_was_seen(const ObjectRule& rule, const Seen& seen, uint32_t text) {
  const auto begin = seen.begin() + static_cast<std::ptrdiff_t>(first_seen(rule).size());
  return std::find(begin, seen.end(), text) != seen.end();
}

Seen with_name(const ObjectRule& rule, Seen seen, uint32_t name, bool witness) {
  add_one(rule, seen, witness);
  seen[kBits + name / 32] |= 1u << name % 32;
  return seen;
}

Seen with_other(const ObjectRule& rule, Seen seen, uint32_t text, bool witness) {
  add_one(rule, seen, witness);
  // A reader keeps the last of two properties of one name, so none may follow the witness.
  if (witness) seen[kFlags] |= kClosed;
  if (rule.distinct) seen.push_back(text);
  return seen;
}

bool completable(const ObjectRule& rule, const Seen& seen) {
  int64_t needed = 0, available = 0;
  const bool wanted = pending_witness(rule, seen);
  bool witness_needed = false, witness_possible = false;
  for (uint32_t i = 0; i < rule.named.size(); ++i) {
    if (was_seen(seen, i) || rule.named[i].rule == kNoRule) continue;
    ++available;
    needed += rule.required[i];
    if (rule.named[i].witness == kNoRule) continue;
    witness_possible = true;
    witness_needed = witness_needed || rule.required[i];
  }
  const bool open = others_open(rule, seen);
  for (const PropertyRule& other : rule.classes) {
    witness_possible = witness_possible || (open && other.witness != kNoRule);
  }
  if (wanted && !witness_possible) return false;
  if (wanted && !witness_needed) ++needed;
  if (seen[kCount] + needed > rule.most) return false;
  return open || seen[kCount] + available >= rule.least;
}

bool may_end(const ObjectRule& rule, const Seen& seen) {
  if (seen[kCount] < rule.least || pending_witness(rule, seen)) return false;
  for (uint32_t i = 0; i < rule.named.size(); ++i) {
    if (rule.required[i] && !was_seen(seen, i)) return false;
  }
  return true;
}

bool may_take_name(const ObjectRule& rule, const Seen& seen, uint32_t name) {
  const PropertyRule& property = rule.named[name];
  if (property.rule == kNoRule || was_seen(seen, name) || seen[kCount] >= rule.most) return false;
  if (rule.most == Language::kNoLimit && !rule.needs_witness) return true;
  return completable(rule, with_name(rule, seen, name, property.witness != kNoRule));
}

bool may_take_other(const ObjectRule& rule, const Seen& seen) {
  if (!others_open(rule, seen) || seen[kCount] >= rule.most) return false;
  if (rule.most == Language::kNoLimit && !rule.needs_witness) return true;
  return completable(rule, with_other(rule, seen, 0, false));
}

std::vector<uint32_t> takeable_names(const ObjectRule& rule, const Seen& seen) {
  // Of all that are required or not and have a witness or not, one tells for the others.
  std::array<std::optional<bool>, 4> by_kind;
  std::vector<uint32_t> counts = {0};
  for (uint32_t name = 0; name < rule.named.size(); ++name) {
    const PropertyRule& property = rule.named[name];
    bool may = false;
    if (property.rule != kNoRule && !was_seen(seen, name)) {
      auto& known = by_kind[size_t{2} * rule.required[name] + (property.witness != kNoRule)];
      if (!known) known = may_take_name(rule, seen, name);
      may = *known;
    }
    counts.push_back(counts.back() + may);
  }
  return counts;
}

}  // namespace issun::grammar
