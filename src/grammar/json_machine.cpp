#include "grammar/json_machine.h"

#include <optional>

#include "grammar/json_array.h"
#include "grammar/json_object.h"
#include "grammar/schema_formula.h"

namespace issun::grammar {

namespace {

// The upper bits of Frame::where; the lower ones number a rule or language.
enum class Place : uint32_t { Root, Value, Literal, Number, String, Array, Object, Key };
constexpr uint32_t kIndexBits = 24;
Frame at(Place place, uint32_t index) {
  return {.where = static_cast<uint32_t>(place) << kIndexBits | index};
}
Place place_of(const Frame& frame) { return static_cast<Place>(frame.where >> kIndexBits); }
uint32_t index_of(const Frame& frame) { return frame.where & ((1u << kIndexBits) - 1); }

// Root, Array and Object: a = phase and gap. Array: b = index, c = counts (json_array.h).
// Object: b = list of what was seen, d = rule of the value. String: a = mode, b = state of the
// language, c = value of the spelling. Key: a and c so, b as in Object, d = node of the names,
// e = state of the other names, f = the text so far where names are told apart.
enum class Phase : uint32_t { Open, First, Colon, Value, Next, Comma };
constexpr uint32_t kGapShift = 8;
Phase phase_of(const Frame& frame) { return static_cast<Phase>(frame.a & 0xFF); }
Frame in_phase(Frame frame, Phase phase) {
  frame.a = static_cast<uint32_t>(phase);
  return frame;
}

constexpr uint32_t kBeforeQuote = 0xFF;  // mode of a string that has not begun
constexpr uint32_t kNoText = 0;

// White space read so far: nothing, a space, or a line end and then some.
constexpr uint32_t kMaxIndent = 64;
std::optional<uint32_t> next_gap(uint32_t gap, uint8_t byte) {
  if (gap == 0 && byte == ' ') return 1;
  if (gap == 0 && byte == '\n') return 2;
  if (gap >= 2 && gap < 2 + kMaxIndent && (byte == ' ' || byte == '\t')) return gap + 1;
  return std::nullopt;
}
// Reads white space, where it may be.
bool read_gap(const Frame& frame, uint8_t byte, Readings& out) {
  const auto gap = next_gap(frame.a >> kGapShift, byte);
  if (!gap) return false;
  Frame next = frame;
  next.a = (frame.a & 0xFF) | *gap << kGapShift;
  out.next.push_back(next);
  return true;
}

constexpr const char* kLiterals[] = {"null", "false", "true"};

bool any_property(const ObjectRule& rule, const Seen& seen) {
  return may_take_other(rule, seen) ||
         may_take_any(rule, seen, 0, static_cast<uint32_t>(rule.named.size()));
}

}  // namespace

Frame JsonMachine::start() const { return at(Place::Root, 0); }

void JsonMachine::open(const Frame& frame, Memory&, Openings& out) const {
  switch (place_of(frame)) {
    case Place::Root:
      out.reads = true;
      out.calls.push_back({.child = at(Place::Value, rules_.root), .back = {}});
      break;
    case Place::Value:
      open_value(rules_.values[index_of(frame)], out);
      break;
    case Place::Number:
      out.reads = true;
      out.done = rules_.numbers[index_of(frame)].accepts(frame.b);
      break;
    case Place::Array:
      out.reads = true;
      if (phase_of(frame) == Phase::First || phase_of(frame) == Phase::Value) open_item(frame, out);
      break;
    case Place::Object:
      out.reads = true;
      if (phase_of(frame) == Phase::Value) {
        Frame back = in_phase(frame, Phase::Next);
        back.d = 0;
        out.calls.push_back({.child = at(Place::Value, frame.d), .back = back, .replaces = false});
      }
      break;
    case Place::Literal:
    case Place::String:
    case Place::Key:
      out.reads = true;
      break;
  }
}

void JsonMachine::open_value(const ValueRule& rule, Openings& out) const {
  const auto begin = [&](Frame child) { out.calls.push_back({.child = child, .back = {}}); };
  for (uint32_t i = 0; i < 3; ++i) {
    if ((rule.kinds >> i & 1) != 0) begin(at(Place::Literal, i));
  }
  if (rule.number >= 0) {
    Frame number = at(Place::Number, static_cast<uint32_t>(rule.number));
    number.b = rules_.numbers[index_of(number)].start();
    begin(number);
  }
  if (rule.string >= 0) {
    Frame string = at(Place::String, static_cast<uint32_t>(rule.string));
    string.a = kBeforeQuote;
    begin(string);
  }
  for (const uint32_t array : rule.arrays) begin(at(Place::Array, array));
  for (const uint32_t object : rule.objects) begin(at(Place::Object, object));
}

void JsonMachine::open_item(const Frame& frame, Openings& out) const {
  const ArrayRule& rule = rules_.arrays[index_of(frame)];
  for (const ItemChoice& choice : choices_at(rule, frame.b)) {
    Frame back = in_phase(frame, Phase::Next);
    back.b = next_index(rule, frame.b);
    back.c = counted(rule, frame.b, frame.c, choice.matched);
    if (back.c == kTooMany || !completable(rule, back.b, back.c)) continue;
    out.calls.push_back({.child = at(Place::Value, choice.rule), .back = back, .replaces = false});
  }
}

void JsonMachine::read(const Frame& frame, uint8_t byte, Memory& memory, Readings& out) const {
  switch (place_of(frame)) {
    case Place::Root:
      (void)read_gap(frame, byte, out);
      break;
    case Place::Literal: {
      const std::string_view text = kLiterals[index_of(frame)];
      if (static_cast<uint8_t>(text[frame.b]) != byte) break;
      Frame next = frame;
      out.done = ++next.b == text.size();
      if (!out.done) out.next.push_back(next);
      break;
    }
    case Place::Number: {
      Frame next = frame;
      next.b = rules_.numbers[index_of(frame)].step(frame.b, byte);
      if (next.b != Dfa::kDead) out.next.push_back(next);
      break;
    }
    case Place::String:
      read_string(frame, byte, out);
      break;
    case Place::Array:
      read_array(frame, byte, out);
      break;
    case Place::Object:
      read_object(frame, byte, memory, out);
      break;
    case Place::Key:
      read_key(frame, byte, memory, out);
      break;
    case Place::Value:
      break;
  }
}

void JsonMachine::read_string(const Frame& frame, uint8_t byte, Readings& out) const {
  const TextLanguage& language = rules_.strings[index_of(frame)];
  Frame next = frame;
  if (frame.a == kBeforeQuote) {
    next.a = 0;
    next.b = language.start();
    if (byte == '"') out.next.push_back(next);
    return;
  }
  const SpellingStep step = spell({static_cast<SpellingMode>(frame.a), frame.c}, byte);
  next.a = next.c = 0;
  switch (step.kind) {
    case SpellingStep::Kind::Refused:
      return;
    case SpellingStep::Kind::Quote:
      out.done = language.accepts(frame.b);
      return;
    case SpellingStep::Kind::Known:
      next.b = frame.c;
      break;
    case SpellingStep::Kind::Character:
      next.b = language.step(frame.b, step.character);
      if (next.b == Dfa::kDead) return;
      break;
    case SpellingStep::Kind::Inside: {
      next.a = static_cast<uint32_t>(step.next.mode);
      next.c = step.next.value;
      bool possible = step.ranges == 0;
      for (int i = 0; i < step.ranges; ++i) {
        const auto& [first, last] = step.possible[static_cast<size_t>(i)];
        const uint32_t target = language.step_range(frame.b, first, last);
        possible = possible || target != Dfa::kDead;
        if (step.regular && target != Dfa::kDead && target != Dfa::kMixed) {
          next.a = static_cast<uint32_t>(known_mode(step.next.mode));
          next.c = target;
        }
      }
      if (!possible) return;
    }
  }
  out.next.push_back(next);
}

void JsonMachine::read_array(const Frame& frame, uint8_t byte, Readings& out) const {
  const ArrayRule& rule = rules_.arrays[index_of(frame)];
  const Phase phase = phase_of(frame);
  if (phase == Phase::Open) {
    if (byte == '[') out.next.push_back(in_phase(frame, Phase::First));
    return;
  }
  if (read_gap(frame, byte, out)) return;
  if (byte == ']' && phase != Phase::Value) out.done = may_end(rule, frame.b, frame.c);
  if (byte != ',' || phase != Phase::Next) return;
  Openings further;
  open_item(frame, further);
  if (!further.calls.empty()) out.next.push_back(in_phase(frame, Phase::Value));
}

void JsonMachine::read_object(const Frame& frame, uint8_t byte, Memory& memory,
                              Readings& out) const {
  const ObjectRule& rule = rules_.objects[index_of(frame)];
  const Phase phase = phase_of(frame);
  if (phase == Phase::Open) {
    Frame next = in_phase(frame, Phase::First);
    next.b = memory.keep(first_seen(rule));
    if (byte == '{') out.next.push_back(next);
    return;
  }
  if (read_gap(frame, byte, out)) return;
  const Seen& seen = memory.list(frame.b);
  if (phase == Phase::Colon) {
    if (byte == ':') out.next.push_back(in_phase(frame, Phase::Value));
    return;
  }
  if (byte == '}' && (phase == Phase::First || phase == Phase::Next)) {
    out.done = may_end(rule, seen);
  }
  if (byte == ',' && phase == Phase::Next && any_property(rule, seen)) {
    out.next.push_back(in_phase(frame, Phase::Comma));
  }
  if (byte == '"' && (phase == Phase::First || phase == Phase::Comma) && any_property(rule, seen)) {
    Frame key = at(Place::Key, index_of(frame));
    key.b = frame.b;
    key.d = KeyNames::kRoot;
    key.e = may_take_other(rule, seen) ? rule.others->start() : Dfa::kDead;
    if (rule.distinct) key.f = memory.keep({kNoText});
    out.next.push_back(key);
  }
}

void JsonMachine::read_key(const Frame& frame, uint8_t byte, Memory& memory, Readings& out) const {
  const ObjectRule& rule = rules_.objects[index_of(frame)];
  const SpellingStep step = spell({static_cast<SpellingMode>(frame.a), frame.c}, byte);
  Frame next = frame;
  next.a = next.c = 0;
  const auto step_others = [&](char32_t first, char32_t last) {
    return frame.e == Dfa::kDead ? Dfa::kDead : rule.others->step_range(frame.e, first, last);
  };
  switch (step.kind) {
    case SpellingStep::Kind::Refused:
      return;
    case SpellingStep::Kind::Quote:
      return end_key(frame, memory, out);
    case SpellingStep::Kind::Known:
      return add_key(next, KeyNames::kNoNode, frame.c, memory, out);
    case SpellingStep::Kind::Character:
      if (rule.distinct) next.f = memory.keep({frame.f, step.character});
      return add_key(next, rule.names.step(frame.d, step.character),
                     step_others(step.character, step.character), memory, out);
    case SpellingStep::Kind::Inside:
      break;
  }
  next.a = static_cast<uint32_t>(step.next.mode);
  next.c = step.next.value;
  const Seen& seen = memory.list(frame.b);
  bool possible = step.ranges == 0;
  for (int i = 0; i < step.ranges; ++i) {
    const auto& [first, last] = step.possible[static_cast<size_t>(i)];
    const auto [child, end] = rule.names.children(frame.d, first, last);
    for (uint32_t node = child; node < end && !possible; ++node) {
      possible = may_take_any(rule, seen, rule.names.node(node).first, rule.names.node(node).last);
    }
    const uint32_t target = step_others(first, last);
    possible = possible || target != Dfa::kDead;
    const bool one_target = target != Dfa::kDead && target != Dfa::kMixed;
    if (step.regular && child == end && one_target && !rule.distinct) {
      next.a = static_cast<uint32_t>(known_mode(step.next.mode));
      next.c = target;
      next.d = KeyNames::kNoNode;
    }
  }
  if (possible) out.next.push_back(next);
}

// The key goes on, if that leads to any name.
void JsonMachine::add_key(const Frame& frame, uint32_t node, uint32_t others, const Memory& memory,
                          Readings& out) const {
  const ObjectRule& rule = rules_.objects[index_of(frame)];
  Frame next = frame;
  next.d = node;
  next.e = others;
  bool possible = others != Dfa::kDead;
  if (!possible && node != KeyNames::kNoNode) {
    const KeyNames::Node& names = rule.names.node(node);
    possible = may_take_any(rule, memory.list(frame.b), names.first, names.last);
  }
  if (possible) out.next.push_back(next);
}

void JsonMachine::end_key(const Frame& frame, Memory& memory, Readings& out) const {
  const ObjectRule& rule = rules_.objects[index_of(frame)];
  const Seen seen = memory.list(frame.b);
  const auto add = [&](RuleId value, const Seen& now) {
    if (value == kNoRule || !completable(rule, now)) return;
    Frame object = in_phase(at(Place::Object, index_of(frame)), Phase::Colon);
    object.b = memory.keep(now);
    object.d = value;
    out.next.push_back(object);
  };
  if (frame.d != KeyNames::kNoNode && rule.names.node(frame.d).ends) {
    const uint32_t name = rule.names.node(frame.d).first;
    if (!may_take_name(rule, seen, name)) return;
    add(rule.named[name].rule, with_name(rule, seen, name, false));
    add(rule.named[name].witness, with_name(rule, seen, name, true));
    return;
  }
  if (frame.e == Dfa::kDead) return;
  const uint32_t label = rule.others->label(frame.e);
  if (label == 0 || (rule.distinct && other_was_seen(rule, seen, frame.f))) return;
  const PropertyRule& property = rule.classes[label - 1];
  add(property.rule, with_other(rule, seen, frame.f, false));
  add(property.witness, with_other(rule, seen, frame.f, true));
}

Runs JsonMachine::runs(const Frame& frame) const {
  if (frame.a != static_cast<uint32_t>(SpellingMode::Plain)) return {};
  if (place_of(frame) == Place::String) return rules_.strings[index_of(frame)].runs(frame.b);
  if (place_of(frame) != Place::Key || frame.e == Dfa::kDead) return {};
  Runs runs = rules_.objects[index_of(frame)].runs.at(frame.e);
  runs.reach = Dfa::kForever;  // known names may be longer
  return runs;
}

}  // namespace issun::grammar
