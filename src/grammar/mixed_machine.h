// A grammar some of whose parts are JSON values of schemas: the automaton of its rules, which calls
// that of the values.
#pragma once

#include <utility>

#include "grammar/json_machine.h"
#include "grammar/json_places.h"
#include "grammar/json_rules.h"
#include "grammar/rule_machine.h"

namespace issun::grammar {

// Puts the rules of further values behind those that are there. Returns the number that the root of
// `more` has now.
RuleId append(JsonRules& rules, JsonRules more);

class MixedMachine final : public Pushdown {
 public:
  // The edges RuleEdge::Kind::Value of the rules name values of `values`.
  MixedMachine(RuleMachine rules, JsonRules values)
      : rules_(std::move(rules)), values_(std::move(values)) {}

  Frame start() const override { return rules_.start(); }
  void open(const Frame& frame, Memory& memory, Openings& out) const override {
    of(frame).open(frame, memory, out);
  }
  void read(const Frame& frame, uint8_t byte, Memory& memory, Readings& out) const override {
    of(frame).read(frame, byte, memory, out);
  }
  Frame moved(const Frame& frame, const Memory& from, Memory& to) const override {
    return of(frame).moved(frame, from, to);
  }
  ByteSet bytes(const Frame& frame) const override { return of(frame).bytes(frame); }
  void tokens(const Frame& frame, std::vector<std::pair<int32_t, Frame>>& out) const override {
    of(frame).tokens(frame, out);
  }
  bool in_text(const Frame& frame) const override { return of(frame).in_text(frame); }
  bool step_text(Frame& frame, char32_t character, Memory& memory) const override {
    return of(frame).step_text(frame, character, memory);
  }
  std::pair<const Dfa*, uint32_t> text_machine(const Frame& frame) const override {
    return of(frame).text_machine(frame);
  }
  bool may_follow(const Frame& frame, const Range& range, const Memory& memory) const override {
    return of(frame).may_follow(frame, range, memory);
  }
  uint32_t text_end(const Frame& frame, const Memory& memory) const override {
    return of(frame).text_end(frame, memory);
  }
  TextRuns text_runs(const Frame& frame) const override { return of(frame).text_runs(frame); }

 private:
  const Pushdown& of(const Frame& frame) const {
    return is_value(frame) ? static_cast<const Pushdown&>(values_) : rules_;
  }
  RuleMachine rules_;
  JsonMachine values_;
};

}  // namespace issun::grammar
