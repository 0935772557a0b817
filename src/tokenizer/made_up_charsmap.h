// Small precompiled charsmaps in memory, for tests and fuzzing.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace issun::tokenizer {

// The bytes of tokenizer.ggml.precompiled_charsmap for these texts and what each becomes: a double
// array whose nodes have 256 units each, so that no two children meet.
inline std::vector<uint8_t> made_up_charsmap(const std::map<std::string, std::string>& replaced) {
  std::map<std::string, uint32_t> nodes = {{"", 0}};  // every prefix, numbered
  for (const auto& [text, to] : replaced) {
    for (size_t size = 1; size <= text.size(); ++size) nodes.try_emplace(text.substr(0, size));
  }
  uint32_t number = 0;
  for (auto& [prefix, node] : nodes) node = ++number;
  // Unit 0 is the root's; the children of node n lie in block n, which starts at n << 8.
  std::vector<uint32_t> units((number + size_t{1}) << 8, 0);
  const auto place = [&](const std::string& prefix) {
    if (prefix.empty()) return uint32_t{0};
    const uint32_t parent = nodes.at(prefix.substr(0, prefix.size() - 1));
    return (parent << 8) ^ static_cast<uint8_t>(prefix.back());
  };
  std::string replacements;
  for (const auto& [prefix, node] : nodes) {
    uint32_t& unit = units[place(prefix)];
    // The offset leads from a unit to the start of its children's block.
    const uint32_t offset = place(prefix) ^ (node << 8);
    unit = prefix.empty() ? 0 : static_cast<uint8_t>(prefix.back());
    unit |= offset << 10;
    const auto found = replaced.find(prefix);
    if (found == replaced.end()) continue;
    unit |= 1u << 8;
    units[node << 8] = static_cast<uint32_t>(replacements.size()) | 1u << 31;
    replacements += found->second + '\0';
  }
  std::vector<uint8_t> bytes;
  const auto put = [&](uint32_t value) {
    for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<uint8_t>(value >> (8 * i)));
  };
  put(static_cast<uint32_t>(units.size() * 4));
  for (const uint32_t unit : units) put(unit);
  bytes.insert(bytes.end(), replacements.begin(), replacements.end());
  return bytes;
}

}  // namespace issun::tokenizer
