#include "grammar/regex.h"

#include <optional>

#include "base/quote.h"
#include "grammar/regex_syntax.h"

namespace issun::grammar {

namespace {

constexpr size_t kMaxRegexStates = 60'000;
constexpr size_t kMaxWork = 10'000'000;  // states, over all sets of them

// Thompson's construction: states with at most two empty edges, or one set of characters.
struct State {
  enum class Kind { Empty, Set, Begin, End, Match };
  Kind kind = Kind::Empty;
  int first = -1, second = -1;  // where to go on
  const std::vector<Range>* set = nullptr;
};

// Builds backwards: each part knows the state that follows it.
class RegexBuilder {
 public:
  std::vector<State> states;

  Result<int> add(State state) {
    if (states.size() >= kMaxRegexStates)
      return fail("too large: more than {} states", kMaxRegexStates);
    states.push_back(state);
    return static_cast<int>(states.size()) - 1;
  }

  Result<int> build(const RegexNode& node, int next) {
    switch (node.kind) {
      case RegexNode::Kind::Set:
        return add({State::Kind::Set, next, -1, &node.set});
      case RegexNode::Kind::Begin:
        return add({State::Kind::Begin, next, -1, nullptr});
      case RegexNode::Kind::End:
        return add({State::Kind::End, next, -1, nullptr});
      case RegexNode::Kind::Sequence:
        for (auto child = node.children.rbegin(); child != node.children.rend(); ++child) {
          next = TRY(build(*child, next));
        }
        return next;
      case RegexNode::Kind::Choice: {
        int choice = -1;
        for (const RegexNode& child : node.children) {
          const int start = TRY(build(child, next));
          choice = choice < 0 ? start : TRY(add({State::Kind::Empty, choice, start, nullptr}));
        }
        return choice;
      }
      case RegexNode::Kind::Repeat:
        break;
    }
    const RegexNode& child = node.children[0];
    if (node.most < 0) {
      const int loop = TRY(add({State::Kind::Empty, next, -1, nullptr}));
      states[static_cast<size_t>(loop)].second = TRY(build(child, loop));
      next = loop;
    }
    const int after = next;
    for (int i = node.least; i < node.most; ++i) {
      const int once = TRY(build(child, next));
      next = TRY(add({State::Kind::Empty, once, after, nullptr}));
    }
    for (int i = 0; i < node.least; ++i) next = TRY(build(child, next));
    return next;
  }
};

// A set of states, sorted; and whether no character was read yet.
struct Position {
  std::vector<int> states;
  bool at_begin = false;
  bool matched = false;  // whatever follows
  auto operator<=>(const Position&) const = default;
};

class Search {
 public:
  Search(const std::vector<State>& states, int start) : states_(states), start_(start) {}

  Position first() const { return closed({start_}, true); }

  Position next(const Position& position, char32_t character) const {
    if (position.matched) return position;
    std::vector<int> reached = {start_};  // the match may begin anywhere
    for (const int s : position.states) {
      const State& state = states_[static_cast<size_t>(s)];
      if (state.kind != State::Kind::Set) continue;
      const auto after =
          std::upper_bound(state.set->begin(), state.set->end(), Range{character, kLastCharacter});
      if (after != state.set->begin() && std::prev(after)->second >= character) {
        reached.push_back(state.first);
      }
    }
    return closed(std::move(reached), false);
  }

  bool accepts(const Position& position) const {
    if (position.matched) return true;
    return closed(position.states, position.at_begin, true).matched;
  }

 private:
  Position closed(std::vector<int> work, bool at_begin, bool at_end = false) const {
    Position position{.states = {}, .at_begin = at_begin, .matched = false};
    seen_.assign(states_.size(), false);
    while (!work.empty()) {
      const int s = work.back();
      work.pop_back();
      if (s < 0 || seen_[static_cast<size_t>(s)]) continue;
      seen_[static_cast<size_t>(s)] = true;
      const State& state = states_[static_cast<size_t>(s)];
      switch (state.kind) {
        case State::Kind::Empty:
          work.push_back(state.first);
          work.push_back(state.second);
          break;
        case State::Kind::Begin:
          if (at_begin) work.push_back(state.first);
          break;
        case State::Kind::End:
          if (at_end) {
            work.push_back(state.first);
          } else {
            position.states.push_back(s);
          }
          break;
        case State::Kind::Set:
          position.states.push_back(s);
          break;
        case State::Kind::Match:
          position.matched = true;
          break;
      }
    }
    if (position.matched) position.states.clear();
    if (position.matched) position.at_begin = false;
    std::sort(position.states.begin(), position.states.end());
    return position;
  }

  const std::vector<State>& states_;
  int start_;
  mutable std::vector<bool> seen_;
};

}  // namespace

Result<Dfa> parse_regex(std::string_view pattern) {
  const RegexNode tree = TRY(parse_regex_syntax(pattern));
  RegexBuilder builder;
  const int match = TRY(builder.add({State::Kind::Match, -1, -1, nullptr}));
  const int start = TRY(builder.build(tree, match));
  std::vector<char32_t> borders;
  for (const State& state : builder.states) {
    if (state.kind != State::Kind::Set) continue;
    for (const auto& [first, last] : *state.set) borders.insert(borders.end(), {first, last + 1});
  }
  const Search search(builder.states, start);
  size_t work = 0;
  auto language = Dfa::explore(
      std::move(borders), search.first(),
      [&](const Position& position, char32_t character) -> std::optional<Position> {
        if (work > kMaxWork) return std::nullopt;
        work += position.states.size() + builder.states.size() / 64;
        return search.next(position, character);
      },
      [&](const Position& position) { return search.accepts(position) ? 1u : 0u; });
  if (work > kMaxWork) return fail("'{}': too large", printable(pattern));
  constexpr size_t kStatesAnEntry = 16;
  if (language) language->add_work(static_cast<int64_t>(work / kStatesAnEntry));
  return language;
}

}  // namespace issun::grammar
