#include "grammar/rule_machine.h"

#include <algorithm>
#include <utility>

#include "grammar/json_places.h"

namespace issun::grammar {

namespace {

using EdgeKind = RuleEdge::Kind;

// Steps that a grammar may take to be made ready, some tenths of a second.
constexpr int64_t kStepsToReady = 50'000'000;

class Steps {
 public:
  Result<void> spend(size_t steps) {
    left_ -= static_cast<int64_t>(steps);
    if (left_ >= 0) return {};
    return fail("grammar: too large: it takes more than {} steps to be made ready", kStepsToReady);
  }

 private:
  int64_t left_ = kStepsToReady;
};

// Which of some numbers were seen; all are forgotten at once.
class SeenNumbers {
 public:
  explicit SeenNumbers(size_t count) : seen_in_(count) {}
  void forget() { ++round_; }
  // False: it was seen already.
  bool see(uint32_t number) { return std::exchange(seen_in_[number], round_) != round_; }

 private:
  std::vector<uint32_t> seen_in_;
  uint32_t round_ = 1;
};

// The same network without empty edges, and only what can be reached.
class Simplified {
 public:
  explicit Simplified(const RuleNetwork& from)
      : from_(from), numbers_(from.states.size(), kNone), seen_(from.states.size()) {}
  Result<RuleNetwork> make(Steps& steps) {
    to_.names = from_.names;
    for (const uint32_t start : from_.starts) to_.starts.push_back(number(start));
    for (size_t next = 0; next < order_.size(); ++next) TRY(copy(order_[next], next, steps));
    return std::move(to_);
  }

 private:
  static constexpr uint32_t kNone = 0xFFFFFFFF;
  uint32_t number(uint32_t state) {
    if (numbers_[state] == kNone) {
      numbers_[state] = static_cast<uint32_t>(order_.size());
      order_.push_back(state);
      to_.states.emplace_back();
    }
    return numbers_[state];
  }
  Result<void> copy(uint32_t state, size_t to, Steps& steps) {
    std::vector<uint32_t> closure = {state};
    seen_.forget();
    seen_.see(state);
    std::vector<RuleEdge> edges;
    bool final = false;
    for (size_t i = 0; i < closure.size(); ++i) {
      const RuleState& part = from_.states[closure[i]];
      TRY(steps.spend(1 + part.edges.size()));
      final = final || part.final;
      for (RuleEdge edge : part.edges) {
        if (edge.kind == EdgeKind::Empty) {
          if (seen_.see(edge.target)) closure.push_back(edge.target);
        } else {
          edge.target = number(edge.target);
          edges.push_back(edge);
        }
      }
    }
    constexpr size_t kStepsAnEdge = 10;  // it is kept
    TRY(steps.spend(kStepsAnEdge * edges.size()));
    to_.states[to] = {std::move(edges), final};
    return {};
  }

  const RuleNetwork& from_;
  RuleNetwork to_;
  std::vector<uint32_t> numbers_, order_;
  SeenNumbers seen_;
};

// From which states the end of their rule is reached: passable(edge) says which edges count, given
// the rules whose start reaches it.
template <class Passable>
Result<std::vector<bool>> reaching_end(const RuleNetwork& network, Steps& steps,
                                       Passable passable) {
  std::vector<bool> reaches(network.states.size());
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t s = network.states.size(); s-- > 0;) {
      TRY(steps.spend(1));
      if (reaches[s]) continue;
      bool found = network.states[s].final;
      TRY(steps.spend(network.states[s].edges.size()));
      for (const RuleEdge& edge : network.states[s].edges) {
        found = found || (reaches[edge.target] && passable(edge, reaches));
      }
      reaches[s] = found;
      changed = changed || found;
    }
  }
  return reaches;
}

Result<bool> drop_impossible(RuleNetwork& network, Steps& steps) {
  const auto alive =
      TRY(reaching_end(network, steps, [&](const RuleEdge& edge, const auto& reaches) {
        return edge.kind != EdgeKind::Call || reaches[network.starts[edge.what]];
      }));
  for (RuleState& state : network.states) {
    std::erase_if(state.edges, [&](const RuleEdge& edge) {
      return !alive[edge.target] ||
             (edge.kind == EdgeKind::Call && !alive[network.starts[edge.what]]);
    });
  }
  return alive[network.starts[0]];
}

// The rules that a rule may call before it has read anything.
Result<std::vector<uint32_t>> first_calls(const RuleNetwork& network, uint32_t rule,
                                          const std::vector<bool>& may_be_empty, SeenNumbers& seen,
                                          Steps& steps) {
  std::vector<uint32_t> calls, work = {network.starts[rule]};
  seen.forget();
  seen.see(work[0]);
  while (!work.empty()) {
    const uint32_t state = work.back();
    work.pop_back();
    TRY(steps.spend(1 + network.states[state].edges.size()));
    for (const RuleEdge& edge : network.states[state].edges) {
      if (edge.kind != EdgeKind::Call) continue;
      calls.push_back(edge.what);
      if (!may_be_empty[network.starts[edge.what]]) continue;
      if (seen.see(edge.target)) work.push_back(edge.target);
    }
  }
  return calls;
}

Result<void> refuse_left_recursion(const RuleNetwork& network, Steps& steps) {
  const auto may_be_empty =
      TRY(reaching_end(network, steps, [&](const RuleEdge& edge, const auto& reaches) {
        return edge.kind == EdgeKind::Call && reaches[network.starts[edge.what]];
      }));
  SeenNumbers states(network.states.size());
  const auto calls_of = [&](uint32_t rule) {
    return first_calls(network, rule, may_be_empty, states, steps);
  };
  enum class Seen : uint8_t { No, Open, Done };
  std::vector<Seen> seen(network.starts.size(), Seen::No);
  struct Step {
    uint32_t rule;
    std::vector<uint32_t> calls;
  };
  for (uint32_t start = 0; start < network.starts.size(); ++start) {
    if (seen[start] != Seen::No) continue;
    std::vector<Step> path = {{start, TRY(calls_of(start))}};
    seen[start] = Seen::Open;
    while (!path.empty()) {
      Step& step = path.back();
      if (step.calls.empty()) {
        seen[step.rule] = Seen::Done;
        path.pop_back();
        continue;
      }
      const uint32_t next = step.calls.back();
      step.calls.pop_back();
      if (seen[next] == Seen::Open) {
        return fail(
            "grammar: the rule '{}' may begin with itself (left recursion), which is not "
            "supported",
            network.names[next]);
      }
      if (seen[next] == Seen::No) {
        seen[next] = Seen::Open;
        path.push_back({next, TRY(calls_of(next))});
      }
    }
  }
  return {};
}

}  // namespace

Result<RuleMachine> RuleMachine::create(RuleNetwork network) {
  Steps steps;
  network = TRY(Simplified(network).make(steps));
  TRY(refuse_left_recursion(network, steps));
  if (!TRY(drop_impossible(network, steps))) {
    return fail("grammar: no text satisfies the rule '{}'", network.names[0]);
  }
  return RuleMachine(std::move(network));
}

void RuleMachine::open(const Frame& frame, Memory&, Openings& out) const {
  const RuleState& state = network_.states[frame.where];
  out.done = state.final;
  for (const RuleEdge& edge : state.edges) {
    if (edge.kind != EdgeKind::Call && edge.kind != EdgeKind::Value) {
      out.reads = true;
      continue;
    }
    const RuleState& back = network_.states[edge.target];
    const Frame child = edge.kind == EdgeKind::Value ? at(Place::Value, edge.what)
                                                     : Frame{.where = network_.starts[edge.what]};
    out.calls.push_back({.child = child,
                         .back = {.where = edge.target},
                         .replaces = back.final && back.edges.empty()});
  }
}

void RuleMachine::read(const Frame& frame, uint8_t byte, Memory&, Readings& out) const {
  for (const RuleEdge& edge : network_.states[frame.where].edges) {
    if (edge.kind == EdgeKind::Bytes && byte >= edge.first && byte <= edge.last) {
      out.next.push_back({.where = edge.target});
    }
  }
}

ByteSet RuleMachine::bytes(const Frame& frame) const {
  ByteSet set;
  for (const RuleEdge& edge : network_.states[frame.where].edges) {
    if (edge.kind == EdgeKind::Bytes) set.add(edge.first, edge.last);
  }
  return set;
}

void RuleMachine::tokens(const Frame& frame, std::vector<std::pair<int32_t, Frame>>& out) const {
  for (const RuleEdge& edge : network_.states[frame.where].edges) {
    if (edge.kind != EdgeKind::Whole) continue;
    out.emplace_back(static_cast<int32_t>(edge.what), Frame{.where = edge.target});
  }
}

}  // namespace issun::grammar
