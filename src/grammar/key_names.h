// The names of an object's known properties, as a tree of their characters.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace issun::grammar {

class KeyNames {
 public:
  static constexpr uint32_t kNoNode = 0xFFFFFFFF;  // no name begins so
  struct Node {
    uint32_t first = 0, last = 0;  // the names below: numbers first to last - 1
    bool ends = false;             // `first` is the name that leads here
    uint32_t child = 0, children = 0;
    char32_t character = 0;
  };

  KeyNames() : KeyNames(std::vector<std::u32string>()) {}
  // Sorted, none twice: a name's number is its place.
  explicit KeyNames(const std::vector<std::u32string>& names);

  static constexpr uint32_t kRoot = 0;
  const Node& node(uint32_t at) const { return nodes_[at]; }
  uint32_t step(uint32_t at, char32_t character) const;
  // The children of a node whose characters are within first..last, as [begin, end).
  std::pair<uint32_t, uint32_t> children(uint32_t at, char32_t first, char32_t last) const;

 private:
  std::vector<Node> nodes_;  // children of one node lie together, sorted
};

}  // namespace issun::grammar
