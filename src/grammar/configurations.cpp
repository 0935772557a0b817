#include "grammar/configurations.h"

#include <algorithm>
#include <functional>

namespace issun::grammar {

namespace {

uint64_t mixed(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15;
  return hash ^ hash >> 29;
}

// Stacks at once; a grammar that needs more is refused where it does.
constexpr size_t kMaxStacks = 4096;

}  // namespace

size_t Configurations::StackHash::operator()(const Stack& stack) const {
  const Frame& f = stack.top;
  uint64_t hash = mixed(f.where, uint64_t{f.a} << 32 | f.b);
  hash = mixed(hash, uint64_t{f.c} << 32 | f.d);
  hash = mixed(hash, uint64_t{f.e} << 32 | f.f);
  return mixed(hash, stack.below);
}

size_t Configurations::StacksHash::operator()(const std::vector<uint32_t>& stacks) const {
  uint64_t hash = stacks.size();
  for (const uint32_t stack : stacks) hash = mixed(hash, stack);
  return hash;
}

Configurations::Configurations(const Pushdown& automaton) : automaton_(automaton) {
  stacks_.emplace_back();
  begin();
  configuration();  // kRefused
  open(automaton_.start(), kBottom);
  configuration();  // kFirst
}

uint32_t Configurations::push(const Frame& top, uint32_t below) {
  const auto next = static_cast<uint32_t>(stacks_.size());
  const auto [at, fresh] = stack_numbers_.try_emplace({top, below}, next);
  if (fresh) stacks_.push_back({top, below});
  return at->second;
}

void Configurations::begin() {
  reached_.clear();
  seen_.clear();
}

// All that the frame may become before it reads: it calls, or is left, until something reads.
void Configurations::open(const Frame& top, uint32_t below) {
  work_.emplace_back(top, below);
  while (!work_.empty()) {
    const auto [frame, rest] = work_.back();
    work_.pop_back();
    const uint32_t stack = push(frame, rest);
    if (std::find(seen_.begin(), seen_.end(), stack) != seen_.end()) continue;
    if (seen_.size() >= kMaxStacks) {
      work_.clear();
      overflow_ = gave_up_ = true;
      return;
    }
    seen_.push_back(stack);
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
  if (overflow_) reached_.clear();
  overflow_ = false;
  if (reached_.empty() && !entries_.empty()) {
    begin();
    return kRefused;
  }
  std::sort(reached_.begin(), reached_.end());
  reached_.erase(std::unique(reached_.begin(), reached_.end()), reached_.end());
  const auto next = static_cast<Configuration>(entries_.size());
  const auto [at, fresh] = numbers_.try_emplace(reached_, next);
  begin();
  if (!fresh) return at->second;
  Entry entry{.stacks = at->first};
  entry.runs.reach = 0;
  for (const uint32_t stack : at->first) {
    if (stack == kBottom) {
      entry.complete = true;
      continue;
    }
    const Runs runs = automaton_.runs(stacks_[stack].top);
    for (size_t i = 0; i < runs.free.size(); ++i) {
      entry.runs.free[i] = std::max(entry.runs.free[i], runs.free[i]);
    }
    entry.runs.reach = std::max(entry.runs.reach, runs.reach);
  }
  entries_.push_back(std::move(entry));
  return next;
}

Configuration Configurations::compute(Configuration from, uint8_t byte) {
  for (const uint32_t stack : entries_[from].stacks) {
    if (stack == kBottom) continue;
    const Stack read = stacks_[stack];
    readings_.clear();
    automaton_.read(read.top, byte, memory_, readings_);
    for (const Frame& next : readings_.next) open(next, read.below);
    if (!readings_.done) continue;
    if (read.below == kBottom) {
      reached_.push_back(kBottom);
    } else {
      const Stack below = stacks_[read.below];
      open(below.top, below.below);
    }
  }
  const Configuration to = configuration();
  uint32_t& row = entries_[from].row;
  if (row == kUnknown) {
    row = static_cast<uint32_t>(rows_.size());
    rows_.emplace_back().fill(kUnknown);
  }
  return rows_[row][byte] = to;
}

void Configurations::tokens(Configuration at, std::vector<int32_t>& out) const {
  std::vector<std::pair<int32_t, Frame>> found;
  for (const uint32_t stack : entries_[at].stacks) {
    if (stack != kBottom) automaton_.tokens(stacks_[stack].top, found);
  }
  for (const auto& [token, frame] : found) out.push_back(token);
}

Configuration Configurations::step_token(Configuration from, int32_t token) {
  std::vector<std::pair<int32_t, Frame>> found;
  for (const uint32_t stack : entries_[from].stacks) {
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
  reached_ = entries_[a].stacks;
  reached_.insert(reached_.end(), entries_[b].stacks.begin(), entries_[b].stacks.end());
  return configuration();
}

Configuration Configurations::restart_with(Configuration kept) {
  std::vector<std::vector<Frame>> copies;  // of the stacks, top first
  for (uint32_t stack : entries_[kept].stacks) {
    std::vector<Frame>& frames = copies.emplace_back();
    for (; stack != kBottom; stack = stacks_[stack].below) frames.push_back(stacks_[stack].top);
  }
  stacks_.resize(1);
  stack_numbers_.clear();
  entries_.clear();
  rows_.clear();
  numbers_.clear();
  begin();
  configuration();
  open(automaton_.start(), kBottom);
  configuration();
  for (const auto& frames : copies) {
    uint32_t stack = kBottom;
    for (auto frame = frames.rbegin(); frame != frames.rend(); ++frame) stack = push(*frame, stack);
    reached_.push_back(stack);
  }
  return configuration();
}

}  // namespace issun::grammar
