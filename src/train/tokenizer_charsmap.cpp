#include "train/tokenizer_charsmap.h"

#include <algorithm>
#include <span>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/check.h"

namespace issun::train {

namespace {

using Texts = std::span<const std::pair<std::string_view, uint32_t>>;  // sorted; and their values

// A double array in the XOR form of Darts-clone (tokenizer/charsmap.cpp reads it): the children of
// a node lie at base ^ byte, and its value at base ^ 0. No two nodes share a base, since a child is
// known by its byte alone.
class DoubleArrayMaker {
 public:
  std::vector<uint32_t> make(Texts texts) {
    grow(0);
    used_[0] = true;
    place(texts, 0, 0);
    return std::move(units_);
  }

 private:
  static constexpr uint32_t kEndsText = 1u << 8, kValue = 1u << 31;

  // All units of a block of 256, so that base ^ byte is always inside.
  void grow(uint32_t unit) {
    if (unit < units_.size()) return;
    const size_t size = (unit | 255) + size_t{1};
    units_.resize(size, 0);
    used_.resize(size, false);
    is_base_.resize(size, false);
  }

  // The texts pass through the node at `unit`, `depth` bytes down.
  void place(Texts texts, uint32_t unit, size_t depth) {
    const bool ends = texts.front().first.size() == depth;
    std::vector<uint8_t> bytes;
    if (ends) bytes.push_back(0);
    std::vector<std::pair<size_t, size_t>> ranges;
    for (size_t begin = ends; begin < texts.size();) {
      const char byte = texts[begin].first[depth];
      size_t end = begin + 1;
      while (end < texts.size() && texts[end].first[depth] == byte) ++end;
      bytes.push_back(static_cast<uint8_t>(byte));
      ranges.emplace_back(begin, end);
      begin = end;
    }
    const uint32_t base = free_base(bytes);
    const uint32_t offset = unit ^ base;
    CHECK_THAT(offset < 1u << 21);
    units_[unit] |= offset << 10 | (ends ? kEndsText : 0);
    for (const uint8_t byte : bytes) {
      used_[base ^ byte] = true;
      units_[base ^ byte] = byte;
    }
    if (ends) units_[base] = texts.front().second | kValue;
    for (size_t r = 0; r < ranges.size(); ++r) {
      const auto [begin, end] = ranges[r];
      place(texts.subspan(begin, end - begin), base ^ bytes[r + ends], depth + 1);
    }
  }

  uint32_t free_base(const std::vector<uint8_t>& bytes) {
    for (uint32_t first = first_free_;; ++first) {
      grow(first);
      if (used_[first]) {
        if (first == first_free_) ++first_free_;
        continue;
      }
      const uint32_t base = first ^ bytes.front();
      const bool fits = !is_base_[base] && std::none_of(bytes.begin(), bytes.end(),
                                                        [&](uint8_t b) { return used_[base ^ b]; });
      if (!fits) continue;
      is_base_[base] = true;
      return base;
    }
  }

  std::vector<uint32_t> units_;
  std::vector<bool> used_, is_base_;
  uint32_t first_free_ = 0;
};

void append_little_endian(uint32_t value, std::vector<uint8_t>& bytes) {
  for (int shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<uint8_t>(value >> shift));
}

}  // namespace

std::vector<uint8_t> make_charsmap(const std::map<std::string, std::string>& replaced) {
  std::string replacements;
  std::unordered_map<std::string_view, uint32_t> starts;
  std::vector<std::pair<std::string_view, uint32_t>> texts;
  for (const auto& [text, replacement] : replaced) {
    const auto next = static_cast<uint32_t>(replacements.size());
    const auto [start, is_new] = starts.try_emplace(replacement, next);
    if (is_new) replacements.append(replacement).push_back('\0');
    texts.emplace_back(text, start->second);
  }
  if (texts.empty()) return {};
  const std::vector<uint32_t> units = DoubleArrayMaker().make(texts);
  std::vector<uint8_t> bytes;
  append_little_endian(static_cast<uint32_t>(units.size() * 4), bytes);
  for (const uint32_t unit : units) append_little_endian(unit, bytes);
  bytes.insert(bytes.end(), replacements.begin(), replacements.end());
  return bytes;
}

}  // namespace issun::train
