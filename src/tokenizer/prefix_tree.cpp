#include "tokenizer/prefix_tree.h"

#include <algorithm>

#include "base/check.h"

namespace issun::tokenizer {

PrefixTree::PrefixTree(std::vector<Text> texts) {
  std::erase_if(texts, [](const Text& t) { return t.text.empty(); });
  std::stable_sort(texts.begin(), texts.end(),
                   [](const Text& a, const Text& b) { return a.text < b.text; });
  nodes_.clear();
  bytes_ = {0};
  // The sorted texts that pass through each node of one depth, and through each of the next.
  struct Range {
    size_t begin, end;
  };
  std::vector<Range> level = {{0, texts.size()}}, next;
  for (size_t depth = 0; !level.empty(); ++depth) {
    next.clear();
    for (Range range : level) {
      int32_t value = -1;
      for (; range.begin < range.end && texts[range.begin].text.size() == depth; ++range.begin) {
        if (value < 0) value = texts[range.begin].value;
      }
      nodes_.push_back({static_cast<uint32_t>(bytes_.size()), value});
      while (range.begin < range.end) {
        const char byte = texts[range.begin].text[depth];
        size_t end = range.begin + 1;
        while (end < range.end && texts[end].text[depth] == byte) ++end;
        bytes_.push_back(static_cast<uint8_t>(byte));
        next.push_back({range.begin, end});
        range.begin = end;
      }
    }
    level.swap(next);
  }
  CHECK_THAT(bytes_.size() < kNone);
  nodes_.push_back({static_cast<uint32_t>(bytes_.size()), -1});
}

PrefixTree::Node PrefixTree::step(Node node, char byte) const {
  const auto begin = bytes_.begin() + nodes_[node].first_child;
  const auto end = bytes_.begin() + nodes_[node + 1].first_child;
  const auto found = std::lower_bound(begin, end, static_cast<uint8_t>(byte));
  if (found == end || *found != static_cast<uint8_t>(byte)) return kNone;
  return static_cast<Node>(found - bytes_.begin());
}

}  // namespace issun::tokenizer
