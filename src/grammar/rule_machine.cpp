#include "grammar/rule_machine.h"

#include <algorithm>

namespace issun::grammar {

namespace {

using Kind = RuleEdge::Kind;

// The same network without empty edges, and only what can be reached.
class Simplified {
 public:
  explicit Simplified(const RuleNetwork& from) : from_(from), numbers_(from.states.size(), kNone) {
    to_.names = from.names;
    for (const uint32_t start : from.starts) to_.starts.push_back(number(start));
    for (size_t next = 0; next < order_.size(); ++next) copy(order_[next], next);
  }
  RuleNetwork take() { return std::move(to_); }

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
  void copy(uint32_t state, size_t to) {
    std::vector<uint32_t> closure = {state};
    std::vector<RuleEdge> edges;
    bool final = false;
    for (size_t i = 0; i < closure.size(); ++i) {
      const RuleState& part = from_.states[closure[i]];
      final = final || part.final;
      for (RuleEdge edge : part.edges) {
        if (edge.kind == Kind::Empty) {
          if (std::find(closure.begin(), closure.end(), edge.target) == closure.end()) {
            closure.push_back(edge.target);
          }
        } else {
          edge.target = number(edge.target);
          edges.push_back(edge);
        }
      }
    }
    to_.states[to] = {std::move(edges), final};
  }

  const RuleNetwork& from_;
  RuleNetwork to_;
  std::vector<uint32_t> numbers_, order_;
};

// From which states the end of their rule is reached: passable(edge) says which edges count, given
// the rules whose start reaches it.
template <class Passable>
std::vector<bool> reaching_end(const RuleNetwork& network, Passable passable) {
  std::vector<bool> reaches(network.states.size());
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t s = network.states.size(); s-- > 0;) {
      if (reaches[s]) continue;
      bool found = network.states[s].final;
      for (const RuleEdge& edge : network.states[s].edges) {
        found = found || (reaches[edge.target] && passable(edge, reaches));
      }
      reaches[s] = found;
      changed = changed || found;
    }
  }
  return reaches;
}

bool drop_impossible(RuleNetwork& network) {
  const auto alive = reaching_end(network, [&](const RuleEdge& edge, const auto& reaches) {
    return edge.kind != Kind::Call || reaches[network.starts[edge.what]];
  });
  for (RuleState& state : network.states) {
    std::erase_if(state.edges, [&](const RuleEdge& edge) {
      return !alive[edge.target] || (edge.kind == Kind::Call && !alive[network.starts[edge.what]]);
    });
  }
  return alive[network.starts[0]];
}

// The rules that a rule may call before it has read anything.
std::vector<uint32_t> first_calls(const RuleNetwork& network, uint32_t rule,
                                  const std::vector<bool>& may_be_empty) {
  std::vector<uint32_t> calls, work = {network.starts[rule]}, seen = work;
  while (!work.empty()) {
    const uint32_t state = work.back();
    work.pop_back();
    for (const RuleEdge& edge : network.states[state].edges) {
      if (edge.kind != Kind::Call) continue;
      calls.push_back(edge.what);
      if (!may_be_empty[network.starts[edge.what]]) continue;
      if (std::find(seen.begin(), seen.end(), edge.target) == seen.end()) {
        seen.push_back(edge.target);
        work.push_back(edge.target);
      }
    }
  }
  return calls;
}

Result<void> refuse_left_recursion(const RuleNetwork& network) {
  const auto may_be_empty = reaching_end(network, [&](const RuleEdge& edge, const auto& reaches) {
    return edge.kind == Kind::Call && reaches[network.starts[edge.what]];
  });
  enum class Seen : uint8_t { No, Open, Done };
  std::vector<Seen> seen(network.starts.size(), Seen::No);
  struct Step {
    uint32_t rule;
    std::vector<uint32_t> calls;
  };
  for (uint32_t start = 0; start < network.starts.size(); ++start) {
    if (seen[start] != Seen::No) continue;
    std::vector<Step> path = {{start, first_calls(network, start, may_be_empty)}};
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
        path.push_back({next, first_calls(network, next, may_be_empty)});
      }
    }
  }
  return {};
}

}  // namespace

Result<RuleMachine> RuleMachine::create(RuleNetwork network) {
  network = Simplified(network).take();
  TRY(refuse_left_recursion(network));
  if (!drop_impossible(network)) {
    return fail("grammar: no text satisfies the rule '{}'", network.names[0]);
  }
  return RuleMachine(std::move(network));
}

void RuleMachine::open(const Frame& frame, Memory&, Openings& out) const {
  const RuleState& state = network_.states[frame.where];
  out.done = state.final;
  for (const RuleEdge& edge : state.edges) {
    if (edge.kind != Kind::Call) {
      out.reads = true;
      continue;
    }
    const RuleState& back = network_.states[edge.target];
    out.calls.push_back({.child = {.where = network_.starts[edge.what]},
                         .back = {.where = edge.target},
                         .replaces = back.final && back.edges.empty()});
  }
}

void RuleMachine::read(const Frame& frame, uint8_t byte, Memory&, Readings& out) const {
  for (const RuleEdge& edge : network_.states[frame.where].edges) {
    if (edge.kind == Kind::Bytes && byte >= edge.first && byte <= edge.last) {
      out.next.push_back({.where = edge.target});
    }
  }
}

ByteSet RuleMachine::bytes(const Frame& frame) const {
  ByteSet set;
  for (const RuleEdge& edge : network_.states[frame.where].edges) {
    if (edge.kind == Kind::Bytes) set.add(edge.first, edge.last);
  }
  return set;
}

void RuleMachine::tokens(const Frame& frame, std::vector<std::pair<int32_t, Frame>>& out) const {
  for (const RuleEdge& edge : network_.states[frame.where].edges) {
    if (edge.kind != Kind::Whole) continue;
    out.emplace_back(static_cast<int32_t>(edge.what), Frame{.where = edge.target});
  }
}

}  // namespace issun::grammar
