#include "grammar/json_machine.h"

#include <optional>

#include "grammar/json_array.h"
#include "grammar/json_object.h"
#include "grammar/json_places.h"
#include "grammar/schema_formula.h"

namespace issun::grammar {

namespace {

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

// A text that is kept as a chain: (the text before, character), from {kNoText} on.
uint32_t moved_text(uint32_t text, const Memory& from, Memory& to) {
  std::vector<uint32_t> characters;
  for (; from.list(text).size() == 2; text = from.list(text)[0]) {
    characters.push_back(from.list(text)[1]);
  }
  uint32_t moved = to.keep({kNoText});
  for (auto character = characters.rbegin(); character != characters.rend(); ++character) {
    moved = to.keep({moved, *character});
  }
  return moved;
}

bool any_property(const ObjectRule& rule, const Seen& seen) {
  return may_take_other(rule, seen) || takeable_names(rule, seen).back() > 0;
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
      read_string(frame, byte, memory, out);
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
    key.g = memory.keep(takeable_names(rule, seen));
    if (rule.distinct) key.f = memory.keep({kNoText});
    out.next.push_back(key);
  }
}

Frame JsonMachine::moved(const Frame& frame, const Memory& from, Memory& to) const {
  Frame moved = frame;
  const bool key = place_of(frame) == Place::Key;
  if (!key && (place_of(frame) != Place::Object || phase_of(frame) == Phase::Open)) return moved;
  const ObjectRule& rule = rules_.objects[index_of(frame)];
  Seen seen = from.list(frame.b);
  for (size_t i = first_seen(rule).size(); i < seen.size(); ++i) {
    seen[i] = moved_text(seen[i], from, to);
  }
  moved.b = to.keep(seen);
  if (key) moved.g = to.keep(from.list(frame.g));
  if (key && rule.distinct) moved.f = moved_text(frame.f, from, to);
  return moved;
}

ByteSet JsonMachine::bytes(const Frame& frame) const {
  static const ByteSet gap = ByteSet::of(" \n\t"), number = ByteSet::of("+-.0123456789eE"),
                       quote = ByteSet::of("\""), marks = ByteSet::of(" \n\t[]{},:\"");
  switch (place_of(frame)) {
    case Place::Root:
      return gap;
    case Place::Literal:
      return ByteSet::of(std::string_view(kLiterals[index_of(frame)]).substr(frame.b, 1));
    case Place::Number:
      return number;
    case Place::Array:
    case Place::Object:
      return marks;
    case Place::String:
      return frame.a == kBeforeQuote ? quote : ByteSet::all();
    case Place::Key:
    case Place::Value:
      break;
  }
  return ByteSet::all();
}

}  // namespace issun::grammar
