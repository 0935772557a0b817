#include "grammar/key_names.h"

#include <algorithm>

namespace issun::grammar {

KeyNames::KeyNames(const std::vector<std::u32string>& names) {
  nodes_.push_back({.first = 0, .last = static_cast<uint32_t>(names.size())});
  std::vector<size_t> depths = {0};
  for (uint32_t at = 0; at < nodes_.size(); ++at) {
    const size_t depth = depths[at];
    const uint32_t first = nodes_[at].first, last = nodes_[at].last;
    const bool ends = first < last && names[first].size() == depth;
    nodes_[at].ends = ends;
    nodes_[at].child = static_cast<uint32_t>(nodes_.size());
    for (uint32_t name = first + ends; name < last;) {
      Node child{.first = name, .character = names[name][depth]};
      while (name < last && names[name][depth] == child.character) ++name;
      child.last = name;
      nodes_.push_back(child);
      depths.push_back(depth + 1);
    }
    nodes_[at].children = static_cast<uint32_t>(nodes_.size()) - nodes_[at].child;
  }
}

std::pair<uint32_t, uint32_t> KeyNames::children(uint32_t at, char32_t first, char32_t last) const {
  if (at == kNoNode) return {0, 0};
  const auto begin = nodes_.begin() + nodes_[at].child, end = begin + nodes_[at].children;
  const auto low = std::lower_bound(
      begin, end, first, [](const Node& node, char32_t c) { return node.character < c; });
  const auto high = std::upper_bound(
      low, end, last, [](char32_t c, const Node& node) { return c < node.character; });
  return {static_cast<uint32_t>(low - nodes_.begin()),
          static_cast<uint32_t>(high - nodes_.begin())};
}

uint32_t KeyNames::step(uint32_t at, char32_t character) const {
  const auto begin = nodes_.begin() + nodes_[at].child, end = begin + nodes_[at].children;
  const auto found = std::lower_bound(
      begin, end, character, [](const Node& node, char32_t c) { return node.character < c; });
  if (found == end || found->character != character) return kNoNode;
  return static_cast<uint32_t>(found - nodes_.begin());
}

}  // namespace issun::grammar
