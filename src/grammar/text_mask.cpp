#include "grammar/text_mask.h"

#include <algorithm>

#include "grammar/token_mask.h"

namespace issun::grammar {

namespace {

// From so many on, endings are looked at for what they have in common.
constexpr uint32_t kManyEndings = 2;

}  // namespace

struct TextMask::Place {
  const TextIndex& index;
  Configurations& configurations;
  const Configurations::Text& text;
  std::span<uint64_t> mask;
};

void TextMask::add(const TextIndex& index, Configurations& configurations,
                   const Configurations::Text& text, std::span<uint64_t> mask) {
  frames_.resize(std::max(index.longest(), index.longest_ending()) + 1);
  path_.resize(index.longest_tail() + 1);
  ends_.clear();
  const Place place{index, configurations, text, mask};
  frames_[0] = text.top;
  add_characters(place);
  add_endings(place);
}

bool TextMask::step(const Place& place, const TextIndex::Node& node) {
  const Pushdown& automaton = place.configurations.automaton();
  if (node.depth == 0) {
    if (node.character < TextIndex::kBlock) return true;
    const Range block = CharSet::characters_of(node.character - TextIndex::kBlock);
    return automaton.may_follow(frames_[0], block, place.configurations.memory());
  }
  Frame& next = frames_[node.depth];
  next = frames_[node.depth - 1u];
  return automaton.step_text(next, node.character, place.configurations.memory());
}

void TextMask::add_characters(const Place& place) {
  const Pushdown& automaton = place.configurations.automaton();
  const auto [machine, state] = automaton.text_machine(place.text.top);
  if (machine == nullptr) {
    return add_characters(place, [&](const TextIndex::Node& node) { return step(place, node); });
  }
  states_.resize(place.index.longest() + 1);
  states_[0] = state;
  add_characters(place, [&, dfa = machine](const TextIndex::Node& node) {
    if (node.depth == 0) return step(place, node);
    states_[node.depth] = dfa->step(states_[node.depth - 1u], node.character);
    return states_[node.depth] != Dfa::kDead;
  });
}

// may_step(node): the node's last character may follow those before it.
template <class MayStep>
void TextMask::add_characters(const Place& place, MayStep may_step) {
  const TextRuns runs = place.configurations.automaton().text_runs(place.text.top);
  const uint32_t whole = place.index.whole_run(runs);
  place.index.add_within(runs, place.mask);
  const auto nodes = place.index.nodes();
  const auto tokens = place.index.tokens();
  for (uint32_t i = 0; i + 1 < nodes.size();) {
    const TextIndex::Node& node = nodes[i];
    place.configurations.spend(1);
    if (place.configurations.exhausted()) return;
    const bool done = whole > 0 && runs.alphabet.holds(node.characters) &&
                      (node.longest <= whole || runs.reach <= whole);  // added, or too long
    if (done || !may_step(node)) {
      i = node.after;
      continue;
    }
    for (uint32_t t = node.first; t < nodes[i + 1].first; ++t) allow(place.mask, tokens[t]);
    ++i;
  }
}

void TextMask::add_endings(const Place& place) {
  const auto nodes = place.index.ending_nodes();
  for (uint32_t i = 0; i + 1 < nodes.size();) {
    const TextIndex::Node& node = nodes[i];
    place.configurations.spend(1);
    if (place.configurations.exhausted()) return;
    if (!step(place, node)) {
      i = node.after;
      continue;
    }
    const Frame& frame = frames_[node.depth];
    const uint32_t own = nodes[i + 1].first, last = nodes[node.after].first;
    // Where all that may follow ends in the same way, the endings are one list.
    bool any = false, same = false;
    if (last - node.first >= kManyEndings) {
      const TextRuns runs = place.configurations.automaton().text_runs(frame);
      const uint32_t most = static_cast<uint32_t>(node.longest - node.depth);
      any = runs.alphabet == CharSet::all() && runs.free > 0;
      // Room for one character more: the one that is only begun.
      same = any && runs.free > most && runs.ends > most;
    }
    add_endings(place, frame, node.first, same ? last : own, any);
    i = same ? node.after : i + 1;
  }
}

void TextMask::add_endings(const Place& place, const Frame& frame, uint32_t first, uint32_t last,
                           bool any) {
  if (first == last) return;
  const Pushdown& automaton = place.configurations.automaton();
  const Memory& memory = place.configurations.memory();
  const uint32_t end = automaton.text_end(frame, memory);
  const uint64_t* tails = end == Pushdown::kNoEnd ? nullptr : tails_after(place, frame, end);
  for (uint32_t i = first; i < last; ++i) {
    const auto [token, what] = place.index.endings()[i];
    bool allowed = any;
    if (what < TextIndex::kUnfinished) {
      allowed = tails != nullptr && (tails[what / 64] >> (what % 64) & 1) != 0;
      if (allowed && place.index.ends_another(what)) allowed = may_follow(place, frame, what);
    } else {
      for (const Range& range : place.index.beginning(what - TextIndex::kUnfinished)) {
        allowed = allowed || automaton.may_follow(frame, range, memory);
      }
    }
    if (allowed) allow(place.mask, token);
  }
}

// Of this very text and no other of its kind.
bool TextMask::may_follow(const Place& place, const Frame& frame, uint32_t tail) {
  Configuration at = place.configurations.end_text({frame, place.text.below});
  for (const char byte : place.index.tail(tail)) {
    at = place.configurations.step(at, static_cast<uint8_t>(byte));
  }
  return at != Configurations::kRefused;
}

const uint64_t* TextMask::tails_after(const Place& place, const Frame& frame, uint32_t end) {
  const auto known = std::find_if(ends_.begin(), ends_.end(),
                                  [&](const auto& entry) { return entry.first == end; });
  Configuration after = known == ends_.end() ? Configurations::kRefused : known->second;
  if (known == ends_.end()) {
    after = place.configurations.end_text({frame, place.text.below});
    ends_.emplace_back(end, after);
  }
  if (after == Configurations::kRefused) return nullptr;
  const auto [at, fresh] = known_tails_.try_emplace(after, 0);
  if (fresh) at->second = compute_tails(place.index, place.configurations, after);
  return tails_.data() + at->second;
}

size_t TextMask::compute_tails(const TextIndex& index, Configurations& configurations,
                               Configuration at) {
  const size_t begin = tails_.size();
  tails_.resize(begin + (index.tails() + 63) / 64);
  const auto add = [&](uint32_t tail) { tails_[begin + tail / 64] |= uint64_t{1} << (tail % 64); };
  if (index.empty_tail() != TextIndex::kNoTail) add(index.empty_tail());
  path_[0] = at;
  const auto nodes = index.tail_nodes();
  for (uint32_t i = 0; i < nodes.size();) {
    const TextIndex::TailNode& node = nodes[i];
    const Configuration next = configurations.step(path_[node.depth - 1u], node.byte);
    path_[node.depth] = next;
    if (next == Configurations::kRefused) {
      i = node.after;
      continue;
    }
    if (node.tail != TextIndex::kNoTail) add(node.tail);
    ++i;
  }
  return begin;
}

}  // namespace issun::grammar
