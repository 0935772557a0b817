// Builds a tree of prefixes, depth first, from texts that come sorted.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace issun::grammar {

// Node has `after`: the node behind all that begin as this one does.
template <class Node>
class PrefixWalk {
 public:
  explicit PrefixWalk(std::vector<Node>& nodes) : nodes_(nodes) {}

  // Makes the nodes of the text that those before it do not share: make(node, unit, depth) fills
  // each. The text must stay alive until the next call; the last node made is where it ends.
  template <class Text, class Make>
  void add(const Text& text, Make make) {
    size_t common = 0;
    while (common < path_.size() && common < text.size() &&
           path_[common].unit == static_cast<char32_t>(text[common])) {
      ++common;
    }
    close(common);
    for (size_t depth = common; depth < text.size(); ++depth) {
      path_.push_back({static_cast<uint32_t>(nodes_.size()), static_cast<char32_t>(text[depth])});
      make(nodes_.emplace_back(), text[depth], depth + 1);
    }
  }
  void finish() { close(0); }

 private:
  struct Step {
    uint32_t node;
    char32_t unit;
  };
  void close(size_t depth) {
    for (; path_.size() > depth; path_.pop_back()) {
      nodes_[path_.back().node].after = static_cast<uint32_t>(nodes_.size());
    }
  }
  std::vector<Node>& nodes_;
  std::vector<Step> path_;  // to the text that was added last
};

}  // namespace issun::grammar
