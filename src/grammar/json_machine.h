// The pushdown automaton of JSON values that follow rules: compact or indented, each text that is
// begun can be completed, and only texts that satisfy the rules are.
//
// White space: between any two parts either nothing, a space, or a line end and its indentation.
#pragma once

#include "grammar/json_rules.h"
#include "grammar/json_spelling.h"
#include "grammar/pushdown.h"

namespace issun::grammar {

class JsonMachine : public Pushdown {
 public:
  explicit JsonMachine(JsonRules rules) : rules_(std::move(rules)) {}
  Frame start() const override;
  void open(const Frame& frame, Memory& memory, Openings& out) const override;
  void read(const Frame& frame, uint8_t byte, Memory& memory, Readings& out) const override;
  Frame moved(const Frame& frame, const Memory& from, Memory& to) const override;
  ByteSet bytes(const Frame& frame) const override;
  bool in_text(const Frame& frame) const override;
  bool step_text(Frame& frame, char32_t character, Memory& memory) const override;
  std::pair<const Dfa*, uint32_t> text_machine(const Frame& frame) const override;
  bool may_follow(const Frame& frame, const Range& range, const Memory& memory) const override;
  uint32_t text_end(const Frame& frame, const Memory& memory) const override;
  TextRuns text_runs(const Frame& frame) const override;

 private:
  void open_value(const ValueRule& rule, Openings& out) const;
  void open_item(const Frame& frame, Openings& out) const;
  void read_string(const Frame& frame, uint8_t byte, Memory& memory, Readings& out) const;
  void read_array(const Frame& frame, uint8_t byte, Readings& out) const;
  void read_object(const Frame& frame, uint8_t byte, Memory& memory, Readings& out) const;
  void read_key(const Frame& frame, uint8_t byte, Memory& memory, Readings& out) const;
  void end_key(const Frame& frame, Memory& memory, Readings& out) const;
  bool possible_key(const Frame& frame, const Memory& memory) const;

  JsonRules rules_;
};

}  // namespace issun::grammar
