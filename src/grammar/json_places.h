// What the numbers of a frame of json_machine mean.
#pragma once

#include "grammar/pushdown.h"

namespace issun::grammar {

// The upper bits of Frame::where; the lower ones number a rule or language.
enum class Place : uint32_t { Root, Value, Literal, Number, String, Array, Object, Key };
constexpr uint32_t kIndexBits = 24;
inline Frame at(Place place, uint32_t index) {
  return {.where = static_cast<uint32_t>(place) << kIndexBits | index};
}
inline Place place_of(const Frame& frame) { return static_cast<Place>(frame.where >> kIndexBits); }
// And no state of a grammar's rules, which are fewer than an index can number.
inline bool is_value(const Frame& frame) { return place_of(frame) != Place::Root; }
inline uint32_t index_of(const Frame& frame) { return frame.where & ((1u << kIndexBits) - 1); }

// Root, Array and Object: a = phase and gap. Array: b = index, c = counts (json_array.h).
// Object: b = list of what was seen, d = rule of the value. String: a = mode, b = state of the
// language, c = value of the spelling. Key: a and c so, b as in Object, d = node of the names,
// e = state of the other names, f = the text so far where names are told apart, g = list of the
// names that may come.
enum class Phase : uint32_t { Open, First, Colon, Value, Next, Comma };
constexpr uint32_t kGapShift = 8;
inline Phase phase_of(const Frame& frame) { return static_cast<Phase>(frame.a & 0xFF); }
inline Frame in_phase(Frame frame, Phase phase) {
  frame.a = static_cast<uint32_t>(phase);
  return frame;
}

constexpr uint32_t kBeforeQuote = 0xFF;  // mode of a string that has not begun
constexpr uint32_t kNoText = 0;

}  // namespace issun::grammar
