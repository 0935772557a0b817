// How an array is counted: its index and how many items matched each `contains`, as two numbers.
#pragma once

#include "grammar/json_rules.h"

namespace issun::grammar {

// The index from which on all items are alike.
uint32_t last_index(const ArrayRule& rule);
// The choices of the item at this index; none when there may be no further item.
std::span<const ItemChoice> choices_at(const ArrayRule& rule, uint32_t index);
uint32_t next_index(const ArrayRule& rule, uint32_t index);

// Counts of matches as one number, from 0. kTooMany: one more than some `contains` allows.
constexpr uint32_t kTooMany = 0xFFFFFFFF;
uint64_t count_states(const ArrayRule& rule);
uint32_t counted(const ArrayRule& rule, uint32_t index, uint32_t counts, uint32_t matched);

bool may_end(const ArrayRule& rule, uint32_t index, uint32_t counts);
// Whether it can still be completed from here.
bool completable(const ArrayRule& rule, uint32_t index, uint32_t counts);

// Fills `completable`, with the choices as they are. false: too large.
bool find_completable(ArrayRule& rule);

}  // namespace issun::grammar
