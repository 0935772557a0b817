// The pushdown automaton of a grammar: for each rule a network of states that read bytes, read
// whole tokens, or call other rules, or JSON values (mixed_machine.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "grammar/pushdown.h"

namespace issun::grammar {

struct RuleEdge {
  enum class Kind : uint8_t { Empty, Bytes, Call, Whole, Value };
  Kind kind = Kind::Empty;
  uint8_t first = 0, last = 0;  // Bytes
  uint32_t what = 0;            // Call: rule; Whole: token; Value: rule of a value
  uint32_t target = 0;
};

struct RuleState {
  std::vector<RuleEdge> edges;
  bool final = false;
};

struct RuleNetwork {
  std::vector<RuleState> states;
  std::vector<uint32_t> starts;    // of each rule; rule 0 is the whole text
  std::vector<std::string> names;  // for messages
};

class RuleMachine : public Pushdown {
 public:
  static constexpr size_t kMaxStates = 300'000;
  // Error: a rule that may call itself before anything is read; no text satisfies the rules.
  static Result<RuleMachine> create(RuleNetwork network);

  Frame start() const override { return {.where = network_.starts[0]}; }
  void open(const Frame& frame, Memory& memory, Openings& out) const override;
  void read(const Frame& frame, uint8_t byte, Memory& memory, Readings& out) const override;
  ByteSet bytes(const Frame& frame) const override;
  void tokens(const Frame& frame, std::vector<std::pair<int32_t, Frame>>& out) const override;

 private:
  explicit RuleMachine(RuleNetwork network) : network_(std::move(network)) {}
  RuleNetwork network_;
};

}  // namespace issun::grammar
