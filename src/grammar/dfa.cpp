#include "grammar/dfa.h"

#include <optional>

#include "base/utf8.h"

namespace issun::grammar {

std::u32string characters(std::string_view text) {
  std::u32string out;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char character = decode_utf8(text, at);
    out += character.code;
    at += static_cast<size_t>(character.bytes);
  }
  return out;
}

std::vector<char32_t> class_starts_of(std::vector<char32_t> starts) {
  starts.insert(starts.end(), {0, kFirstSurrogate, kAfterSurrogates});
  std::sort(starts.begin(), starts.end());
  starts.erase(std::unique(starts.begin(), starts.end()), starts.end());
  while (starts.back() > kLastCharacter) starts.pop_back();
  return starts;
}

Dfa Dfa::none() {
  Dfa dfa;
  dfa.starts_ = class_starts_of({});
  dfa.index_ascii();
  return dfa;
}

Dfa Dfa::everything() {
  Dfa dfa = none();
  dfa.labels_ = {1};
  for (const char32_t start : dfa.starts_) {
    dfa.targets_.push_back(start == kFirstSurrogate ? kDead : 0);
  }
  return dfa;
}

Result<Dfa> Dfa::words(const std::vector<std::u32string>& words, bool numbered) {
  struct Node {
    std::map<char32_t, uint32_t> children;
    uint32_t label = 0;
  };
  std::vector<Node> trie(1);
  std::vector<char32_t> starts;
  for (size_t i = 0; i < words.size(); ++i) {
    uint32_t at = 0;
    for (const char32_t character : words[i]) {
      const auto [child, fresh] =
          trie[at].children.try_emplace(character, static_cast<uint32_t>(trie.size()));
      at = child->second;
      if (fresh) {
        trie.emplace_back();
        starts.insert(starts.end(), {character, character + 1});
      }
    }
    trie[at].label = numbered ? static_cast<uint32_t>(i) + 1 : 1;
  }
  return explore(
      std::move(starts), uint32_t{0},
      [&](uint32_t node, char32_t character) -> std::optional<uint32_t> {
        const auto child = trie[node].children.find(character);
        if (child == trie[node].children.end()) return std::nullopt;
        return child->second;
      },
      [&](uint32_t node) { return trie[node].label; });
}

void Dfa::index_ascii() {
  for (size_t i = 0, next = 0; i < 128; ++i) {
    while (next + 1 < starts_.size() && starts_[next + 1] <= i) ++next;
    ascii_[i] = static_cast<uint16_t>(next);
  }
}

// Keeps the states from which some text of the language is reached.
void Dfa::drop_dead() {
  const size_t classes = starts_.size();
  std::vector<std::vector<uint32_t>> sources(labels_.size());
  for (size_t i = 0; i < targets_.size(); ++i) {
    if (targets_[i] != kDead) sources[targets_[i]].push_back(static_cast<uint32_t>(i / classes));
  }
  std::vector<bool> alive(labels_.size());
  std::vector<uint32_t> work;
  const auto mark = [&](uint32_t state) {
    if (!alive[state]) work.push_back(state);
    alive[state] = true;
  };
  for (uint32_t state = 0; state < labels_.size(); ++state) {
    if (labels_[state] != 0) mark(state);
  }
  while (!work.empty()) {
    const uint32_t state = work.back();
    work.pop_back();
    for (const uint32_t source : sources[state]) mark(source);
  }
  if (!alive[0]) {
    targets_.clear();
    labels_.clear();
    return;
  }
  std::vector<uint32_t> numbers(labels_.size(), kDead);
  uint32_t kept = 0;
  for (size_t state = 0; state < labels_.size(); ++state) {
    if (alive[state]) numbers[state] = kept++;
  }
  for (size_t state = 0; state < numbers.size(); ++state) {
    if (!alive[state]) continue;
    labels_[numbers[state]] = labels_[state];
    for (size_t c = 0; c < classes; ++c) {
      const uint32_t target = targets_[state * classes + c];
      targets_[numbers[state] * classes + c] = target == kDead ? kDead : numbers[target];
    }
  }
  labels_.resize(kept);
  targets_.resize(kept * classes);
}

uint32_t Dfa::step_range(uint32_t state, char32_t first, char32_t last) const {
  if (state == kDead) return kDead;
  std::optional<uint32_t> common;
  for (size_t c = class_of(first); c < starts_.size() && starts_[c] <= last; ++c) {
    if (starts_[c] == kFirstSurrogate) continue;
    const uint32_t target = targets_[state * starts_.size() + c];
    if (common && *common != target) return kMixed;
    common = target;
  }
  return common.value_or(kDead);
}

bool Dfa::accepts(std::u32string_view text) const {
  uint32_t state = start();
  for (const char32_t character : text) state = step(state, character);
  return label(state) != 0;
}

// Walks both at once; a dead one stays dead. combine(a accepts, b accepts).
template <class Combine>
Result<Dfa> Dfa::product(const Dfa& a, const Dfa& b, Combine combine) {
  std::vector<char32_t> starts = a.starts_;
  starts.insert(starts.end(), b.starts_.begin(), b.starts_.end());
  using Key = std::pair<uint32_t, uint32_t>;
  return explore(
      std::move(starts), Key{a.start(), b.start()},
      [&](const Key& key, char32_t character) -> std::optional<Key> {
        const Key target{a.step(key.first, character), b.step(key.second, character)};
        const bool a_lives = target.first != kDead, b_lives = target.second != kDead;
        // Whether a text could still be accepted, for all that is known.
        if (!combine(a_lives, b_lives) && !combine(a_lives, false) && !combine(false, b_lives)) {
          return std::nullopt;
        }
        return target;
      },
      [&](const Key& key) {
        return combine(a.label(key.first) != 0, b.label(key.second) != 0) ? 1u : 0u;
      });
}

Result<Dfa> Dfa::both(const Dfa& a, const Dfa& b) {
  return product(a, b, [](bool in_a, bool in_b) { return in_a && in_b; });
}

Result<Dfa> Dfa::either(const Dfa& a, const Dfa& b) {
  return product(a, b, [](bool in_a, bool in_b) { return in_a || in_b; });
}

Dfa Dfa::relabelled(const std::vector<uint32_t>& labels) const {
  Dfa dfa = *this;
  for (uint32_t& label : dfa.labels_) label = labels[label];
  if (!dfa.empty()) dfa.drop_dead();
  return dfa;
}

Result<Dfa> Dfa::complement() const {
  return explore(
      starts_, start(),
      [&](uint32_t state, char32_t character) -> std::optional<uint32_t> {
        return step(state, character);
      },
      [&](uint32_t state) { return label(state) == 0 ? 1u : 0u; });
}

}  // namespace issun::grammar
