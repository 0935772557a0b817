// PrefixTree: a set of texts with a number each, walked byte by byte along another text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace issun::tokenizer {

class PrefixTree {
 public:
  struct Text {
    std::string_view text;
    int32_t value;  // not negative
  };
  using Node = uint32_t;
  static constexpr Node kRoot = 0;
  static constexpr Node kNone = UINT32_MAX;

  PrefixTree() = default;
  // Of equal texts the first counts; empty ones do not. The texts need not outlive the tree, which
  // takes at most nine bytes for each of theirs.
  explicit PrefixTree(std::vector<Text> texts);

  // The node one byte further, or kNone.
  Node step(Node node, char byte) const;
  // The value of the text that ends at a node, or -1.
  int32_t value(Node node) const { return nodes_[node].value; }

  // The longest of the texts that stands at text[at]; 0 bytes if none does.
  struct Longest {
    size_t bytes = 0;
    int32_t value = -1;
  };
  Longest longest_at(std::string_view text, size_t at) const {
    return longest_at(text, at, [](int32_t) { return true; });
  }
  // The same among those whose value is accepted.
  template <class Accepts>
  Longest longest_at(std::string_view text, size_t at, const Accepts& accepts) const {
    Longest longest;
    Node node = kRoot;
    for (size_t end = at; end < text.size() && (node = step(node, text[end])) != kNone; ++end) {
      if (value(node) >= 0 && accepts(value(node))) longest = {end + 1 - at, value(node)};
    }
    return longest;
  }

 private:
  // Breadth first: the children of a node lie together, those of the next node follow.
  struct Place {
    uint32_t first_child;
    int32_t value;
  };
  std::vector<Place> nodes_ = {{1, -1},
                               {1, -1}};  // and one more, for the end of the last's children
  std::vector<uint8_t> bytes_ = {0};      // that lead to each node
};

}  // namespace issun::tokenizer
