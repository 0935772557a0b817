#include "grammar/configurations.h"

#include <algorithm>
#include <functional>

namespace issun::grammar {

namespace {

uint32_t mixed(uint32_t hash, uint32_t value) {
  const uint64_t product = (uint64_t{hash} << 32 | value) * 0x9e3779b97f4a7c15;
  return static_cast<uint32_t>(product >> 32) ^ static_cast<uint32_t>(product);
}

uint32_t hash_of(const Frame& top, uint32_t below) {
  uint32_t hash = mixed(top.where, top.a);
  for (const uint32_t value : {top.b, top.c, top.d, top.e, top.f, top.g, below})
    hash = mixed(hash, value);
  return hash;
}

uint32_t hash_of(std::span<const uint32_t> stacks) {
  uint32_t hash = 0;
  for (const uint32_t stack : stacks) hash = mixed(hash, stack);
  return hash;
}

// Stacks at once; a grammar that needs more is refused where it does.
constexpr size_t kMaxStacks = 4096;
// Configurations are 24 bits of a step's key.
constexpr size_t kMaxEntries = size_t{1} << 24;

}  // namespace

Configurations::Configurations(const Pushdown& automaton) : automaton_(automaton) { forget_all(); }

void Configurations::forget_all() {
  stacks_.assign(1, {});
  seen_in_.clear();
  entries_.clear();
  members_.clear();
  stack_numbers_.clear();
  numbers_.clear();
  steps_.clear();
  begin();
  configuration();  // kRefused
  open(automaton_.start(), kBottom);
  configuration();                                         // kFirst
  if (entries_.size() == kFirst) entries_.emplace_back();  // it gave up: everything is refused
}

uint32_t Configurations::push(const Frame& top, uint32_t below) {
  const uint32_t hash = hash_of(top, below);
  const uint32_t known = stack_numbers_.find(hash, [&](uint32_t number) {
    return stacks_[number].below == below && stacks_[number].top == top;
  });
  if (known != NumberTable::kNone) return known;
  const auto fresh = static_cast<uint32_t>(stacks_.size());
  stacks_.push_back({top, below});
  stack_numbers_.add(hash, fresh);
  return fresh;
}

void Configurations::begin() {
  reached_.clear();
  seen_count_ = 0;
  if (++step_number_ == 0) {  // once in 2^32 steps
    std::fill(seen_in_.begin(), seen_in_.end(), 0);
    step_number_ = 1;
  }
}

// All that the frame may become before it reads: it calls, or is left, until something reads.
void Configurations::open(const Frame& top, uint32_t below) {
  work_.emplace_back(top, below);
  while (!work_.empty()) {
    const auto [frame, rest] = work_.back();
    work_.pop_back();
    const uint32_t stack = push(frame, rest);
    seen_in_.resize(stacks_.size());
    spend(kFrameWork);
    if (seen_in_[stack] == step_number_) continue;
    if (seen_count_ >= kMaxStacks || exhausted()) {
      work_.clear();
      overflow_ = gave_up_ = true;
      return;
    }
    seen_in_[stack] = step_number_;
    ++seen_count_;
    openings_.clear();
    automaton_.open(frame, memory_, openings_);
    if (openings_.reads) reached_.push_back(stack);
    for (const Openings::Call& call : openings_.calls) {
      work_.emplace_back(call.child, call.replaces ? rest : push(call.back, rest));
    }
    if (!openings_.done) continue;
    if (rest == kBottom) {
      reached_.push_back(kBottom);
    } else {
      work_.emplace_back(stacks_[rest].top, stacks_[rest].below);
    }
  }
}

// The one that was reached.
Configuration Configurations::configuration() {
  if (entries_.size() >= kMaxEntries) overflow_ = gave_up_ = true;
  if (overflow_) reached_.clear();
  overflow_ = false;
  if (reached_.empty() && !entries_.empty()) {
    begin();
    return kRefused;
  }
  std::sort(reached_.begin(), reached_.end());
  reached_.erase(std::unique(reached_.begin(), reached_.end()), reached_.end());
  const uint32_t hash = hash_of(reached_);
  const uint32_t known = numbers_.find(
      hash, [&](uint32_t number) { return std::ranges::equal(stacks_of(number), reached_); });
  if (known == NumberTable::kNone) {
    numbers_.add(hash, static_cast<uint32_t>(entries_.size()));
    Entry& entry = entries_.emplace_back();
    entry.first = static_cast<uint32_t>(members_.size());
    entry.count = static_cast<uint32_t>(reached_.size());
    for (const uint32_t stack : reached_) {
      entry.complete = entry.complete || stack == kBottom;
      if (stack != kBottom) entry.bytes |= automaton_.bytes(stacks_[stack].top);
    }
    members_.insert(members_.end(), reached_.begin(), reached_.end());
  }
  begin();
  return known != NumberTable::kNone ? known : static_cast<Configuration>(entries_.size() - 1);
}

// What becomes of a stack that reads a byte; it may lie in stacks_, which grows.
void Configurations::read(const Stack& stack, uint8_t byte) {
  const uint32_t rest = stack.below;
  readings_.clear();
  automaton_.read(stack.top, byte, memory_, readings_);
  for (const Frame& next : readings_.next) open(next, rest);
  if (!readings_.done) return;
  if (rest == kBottom) {
    reached_.push_back(kBottom);
  } else {
    open(stacks_[rest].top, stacks_[rest].below);
  }
}

Configuration Configurations::compute(Configuration from, uint8_t byte) {
  const Entry entry = entries_[from];
  for (uint32_t i = 0; i < entry.count; ++i) {
    const uint32_t stack = members_[entry.first + i];
    if (stack != kBottom) read(stacks_[stack], byte);
  }
  const Configuration to = configuration();
  steps_.add(from << 8 | byte, to);
  return to;
}

void Configurations::texts(Configuration at, std::vector<Text>& out) const {
  for (const uint32_t stack : stacks_of(at)) {
    const Stack& found = stacks_[stack];
    if (stack != kBottom && automaton_.in_text(found.top)) out.push_back({found.top, found.below});
  }
}

Configuration Configurations::without_texts(Configuration at) {
  for (const uint32_t stack : stacks_of(at)) {
    if (stack == kBottom || !automaton_.in_text(stacks_[stack].top)) reached_.push_back(stack);
  }
  return configuration();
}

Configuration Configurations::end_text(const Text& text) {
  read({text.top, text.below}, '"');
  return configuration();
}

void Configurations::tokens(Configuration at, std::vector<int32_t>& out) const {
  std::vector<std::pair<int32_t, Frame>> found;
  for (const uint32_t stack : stacks_of(at)) {
    if (stack != kBottom) automaton_.tokens(stacks_[stack].top, found);
  }
  for (const auto& [token, frame] : found) out.push_back(token);
}

Configuration Configurations::step_token(Configuration from, int32_t token) {
  std::vector<std::pair<int32_t, Frame>> found;
  for (const uint32_t stack : stacks_of(from)) {
    if (stack == kBottom) continue;
    const uint32_t below = stacks_[stack].below;
    found.clear();
    automaton_.tokens(stacks_[stack].top, found);
    for (const auto& [own, frame] : found) {
      if (own == token) open(frame, below);
    }
  }
  return configuration();
}

Configuration Configurations::merge(Configuration a, Configuration b) {
  for (const Configuration either : {a, b}) {
    const auto stacks = stacks_of(either);
    reached_.insert(reached_.end(), stacks.begin(), stacks.end());
  }
  return configuration();
}

Configuration Configurations::restart_with(Configuration kept) {
  Memory memory;
  std::vector<std::vector<Frame>> copies;  // of the stacks, top first
  for (uint32_t stack : stacks_of(kept)) {
    std::vector<Frame>& frames = copies.emplace_back();
    for (; stack != kBottom; stack = stacks_[stack].below) {
      frames.push_back(automaton_.moved(stacks_[stack].top, memory_, memory));
    }
  }
  memory_ = std::move(memory);
  forget_all();
  for (const auto& frames : copies) {
    uint32_t stack = kBottom;
    for (auto frame = frames.rbegin(); frame != frames.rend(); ++frame) stack = push(*frame, stack);
    reached_.push_back(stack);
  }
  return configuration();
}

}  // namespace issun::grammar
