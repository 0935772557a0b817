// Strings and keys of json_machine: read by bytes, and by characters for the masks.
#include "grammar/json_machine.h"
#include "grammar/json_object.h"
#include "grammar/json_places.h"

namespace issun::grammar {

namespace {

// Whether any name below the node may come next.
bool takeable(const KeyNames::Node& node, const std::vector<uint32_t>& takeable_names) {
  return takeable_names[node.last] > takeable_names[node.first];
}

}  // namespace

void JsonMachine::read_string(const Frame& frame, uint8_t byte, Memory& memory,
                              Readings& out) const {
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
      if (!step_text(next, step.character, memory)) return;
      break;
    case SpellingStep::Kind::Inside: {
      next.a = static_cast<uint32_t>(step.next.mode);
      next.c = step.next.value;
      bool possible = step.ranges == 0;
      for (int i = 0; i < step.ranges; ++i) {
        const Range& range = step.possible[static_cast<size_t>(i)];
        const uint32_t target = language.step_range(frame.b, range.first, range.second);
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

void JsonMachine::read_key(const Frame& frame, uint8_t byte, Memory& memory, Readings& out) const {
  const ObjectRule& rule = rules_.objects[index_of(frame)];
  const SpellingStep step = spell({static_cast<SpellingMode>(frame.a), frame.c}, byte);
  Frame next = frame;
  next.a = next.c = 0;
  switch (step.kind) {
    case SpellingStep::Kind::Refused:
      return;
    case SpellingStep::Kind::Quote:
      return end_key(frame, memory, out);
    case SpellingStep::Kind::Known:
      next.d = KeyNames::kNoNode;
      next.e = frame.c;
      out.next.push_back(next);
      return;
    case SpellingStep::Kind::Character:
      if (step_text(next, step.character, memory)) out.next.push_back(next);
      return;
    case SpellingStep::Kind::Inside:
      break;
  }
  next.a = static_cast<uint32_t>(step.next.mode);
  next.c = step.next.value;
  bool possible = step.ranges == 0;
  for (int i = 0; i < step.ranges; ++i) {
    const Range& range = step.possible[static_cast<size_t>(i)];
    possible = possible || may_follow(frame, range, memory);
    const auto [child, end] = rule.names.children(frame.d, range.first, range.second);
    if (!step.regular || child != end || rule.distinct || frame.e == Dfa::kDead) continue;
    const uint32_t target = rule.others->step_range(frame.e, range.first, range.second);
    if (target != Dfa::kDead && target != Dfa::kMixed) {
      next.a = static_cast<uint32_t>(known_mode(step.next.mode));
      next.c = target;
      next.d = KeyNames::kNoNode;
    }
  }
  if (possible) out.next.push_back(next);
}

// Whether it leads to any name.
bool JsonMachine::possible_key(const Frame& frame, const Memory& memory) const {
  if (frame.e != Dfa::kDead) return true;
  if (frame.d == KeyNames::kNoNode) return false;
  const ObjectRule& rule = rules_.objects[index_of(frame)];
  const KeyNames::Node& names = rule.names.node(frame.d);
  return takeable(names, memory.list(frame.g));
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

bool JsonMachine::in_text(const Frame& frame) const {
  return frame.a == static_cast<uint32_t>(SpellingMode::Plain) &&
         (place_of(frame) == Place::String || place_of(frame) == Place::Key);
}

bool JsonMachine::step_text(Frame& frame, char32_t character, Memory& memory) const {
  if (place_of(frame) == Place::String) {
    frame.b = rules_.strings[index_of(frame)].step(frame.b, character);
    return frame.b != Dfa::kDead;
  }
  const ObjectRule& rule = rules_.objects[index_of(frame)];
  if (rule.distinct) frame.f = memory.keep({frame.f, character});
  if (frame.d != KeyNames::kNoNode) frame.d = rule.names.step(frame.d, character);
  if (frame.e != Dfa::kDead) frame.e = rule.others->step(frame.e, character);
  return possible_key(frame, memory);
}

std::pair<const Dfa*, uint32_t> JsonMachine::text_machine(const Frame& frame) const {
  if (place_of(frame) != Place::String) return {};
  return {rules_.strings[index_of(frame)].dfa(), frame.b};
}

bool JsonMachine::may_follow(const Frame& frame, const Range& range, const Memory& memory) const {
  const auto [first, last] = range;
  if (place_of(frame) == Place::String) {
    return rules_.strings[index_of(frame)].step_range(frame.b, first, last) != Dfa::kDead;
  }
  const ObjectRule& rule = rules_.objects[index_of(frame)];
  if (frame.e != Dfa::kDead && rule.others->step_range(frame.e, first, last) != Dfa::kDead) {
    return true;
  }
  const std::vector<uint32_t>& names = memory.list(frame.g);
  const auto [child, end] = rule.names.children(frame.d, first, last);
  for (uint32_t node = child; node < end; ++node) {
    if (takeable(rule.names.node(node), names)) return true;
  }
  return false;
}

// Of a key: the number of its name; behind those, the label of any other name.
uint32_t JsonMachine::text_end(const Frame& frame, const Memory& memory) const {
  if (place_of(frame) == Place::String) {
    return rules_.strings[index_of(frame)].accepts(frame.b) ? 0 : kNoEnd;
  }
  const ObjectRule& rule = rules_.objects[index_of(frame)];
  if (frame.d != KeyNames::kNoNode && rule.names.node(frame.d).ends) {
    return rule.names.node(frame.d).first;
  }
  if (frame.e == Dfa::kDead) return kNoEnd;
  const uint32_t label = rule.others->label(frame.e);
  if (label == 0 || (rule.distinct && other_was_seen(rule, memory.list(frame.b), frame.f))) {
    return kNoEnd;
  }
  return static_cast<uint32_t>(rule.named.size()) + label;
}

TextRuns JsonMachine::text_runs(const Frame& frame) const {
  if (place_of(frame) == Place::String) return rules_.strings[index_of(frame)].runs(frame.b);
  if (frame.e == Dfa::kDead) return {};
  const ObjectRule& rule = rules_.objects[index_of(frame)];
  TextRuns runs = rule.runs.at(frame.e);
  if (frame.d != KeyNames::kNoNode || rule.distinct) runs.ends = 0;  // which name it is matters
  runs.reach = Dfa::kForever;                                        // and known ones may be longer
  return runs;
}

}  // namespace issun::grammar
