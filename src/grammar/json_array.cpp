#include "grammar/json_array.h"

namespace issun::grammar {

namespace {
constexpr uint64_t kMaxArrayStates = 300'000;
constexpr int64_t kMaxIndex = 1 << 30;
}  // namespace

uint32_t last_index(const ArrayRule& rule) {
  int64_t last = std::max(static_cast<int64_t>(rule.items.size()) - 1, rule.least);
  if (rule.most != Language::kNoLimit) last = std::max(last, rule.most);
  for (const ContainsRule& contains : rule.contains) last = std::max(last, contains.from);
  return static_cast<uint32_t>(std::min(last, kMaxIndex));
}

std::span<const ItemChoice> choices_at(const ArrayRule& rule, uint32_t index) {
  if (index >= rule.most) return {};
  return rule.items[std::min<size_t>(index, rule.items.size() - 1)];
}

uint32_t next_index(const ArrayRule& rule, uint32_t index) {
  return std::min(index + 1, last_index(rule));
}

uint64_t count_states(const ArrayRule& rule) {
  uint64_t states = 1;
  for (const ContainsRule& contains : rule.contains) {
    const auto limit = static_cast<uint64_t>(contains.limit());
    if (limit > kMaxArrayStates) return kMaxArrayStates + 1;
    states = std::min(states * (limit + 1), kMaxArrayStates + 1);
  }
  return states;
}

uint32_t counted(const ArrayRule& rule, uint32_t index, uint32_t counts, uint32_t matched) {
  uint32_t place = 1, result = counts;
  for (size_t k = 0; k < rule.contains.size(); ++k) {
    const ContainsRule& contains = rule.contains[k];
    const auto limit = static_cast<uint32_t>(contains.limit());
    const uint32_t count = counts / place % (limit + 1);
    if ((matched >> k & 1) != 0 && index >= contains.from) {
      if (count < limit) {
        result += place;
      } else if (contains.most != Language::kNoLimit) {
        return kTooMany;
      }
    }
    place *= limit + 1;
  }
  return result;
}

bool may_end(const ArrayRule& rule, uint32_t index, uint32_t counts) {
  if (index < rule.least) return false;
  for (const ContainsRule& contains : rule.contains) {
    const auto limit = static_cast<uint32_t>(contains.limit());
    if (counts % (limit + 1) < contains.least) return false;
    counts /= limit + 1;
  }
  return true;
}

bool completable(const ArrayRule& rule, uint32_t index, uint32_t counts) {
  return rule.contains.empty() || rule.completable[index * count_states(rule) + counts];
}

bool find_completable(ArrayRule& rule) {
  const uint64_t states = count_states(rule);
  const uint32_t last = last_index(rule);
  if (states * (uint64_t{last} + 1) > kMaxArrayStates) return false;
  rule.completable.assign(states * (last + 1), false);
  for (uint32_t index = last + 1; index-- > 0;) {
    // Only the last index leads to itself.
    for (bool changed = true; changed;) {
      changed = false;
      for (uint32_t counts = 0; counts < states; ++counts) {
        if (completable(rule, index, counts)) continue;
        bool possible = may_end(rule, index, counts);
        for (const ItemChoice& choice : choices_at(rule, index)) {
          const uint32_t after = counted(rule, index, counts, choice.matched);
          possible =
              possible || (after != kTooMany && completable(rule, next_index(rule, index), after));
        }
        if (!possible) continue;
        rule.completable[index * states + counts] = true;
        changed = true;
      }
      if (index < last) break;
    }
  }
  return true;
}

}  // namespace issun::grammar
