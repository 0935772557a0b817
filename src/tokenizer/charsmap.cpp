#include "tokenizer/charsmap.h"

#include <cstring>
#include <deque>

namespace issun::tokenizer {
namespace {

constexpr size_t kLongestText = 64, kLongestReplacement = 256;
constexpr size_t kMostNodes = size_t{1} << 20;  // NFKC has 2^16: texts may share their ends
constexpr size_t kLargestMap = size_t{1} << 28;

// A double array (Aoe 1989; the XOR form with bit fields of Darts-clone): the child of a node by
// byte c is the unit at offset ^ c, if that unit carries the label c.
class DoubleArray {
 public:
  explicit DoubleArray(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  // All texts and their values.
  Result<void> collect(std::deque<std::string>& keys, std::vector<PrefixTree::Text>& texts) {
    if (bytes_.empty() || bytes_.size() % 4 != 0) {
      return fail("a double array of {} bytes, expected a positive multiple of 4", bytes_.size());
    }
    return collect_below(offset(unit(0)), keys, texts);
  }

 private:
  size_t size() const { return bytes_.size() / 4; }
  uint32_t unit(uint32_t at) const {
    const uint8_t* b = bytes_.data() + size_t{4} * at;
    return b[0] | uint32_t{b[1]} << 8 | uint32_t{b[2]} << 16 | uint32_t{b[3]} << 24;
  }
  static uint32_t offset(uint32_t unit) { return (unit >> 10) << ((unit & (1u << 9)) >> 6); }
  static uint32_t label(uint32_t unit) { return unit & (1u << 31 | 0xFF); }
  static bool ends_text(uint32_t unit) { return unit & 1u << 8; }

  // The texts that start with key_; the children of that node lie around `base`.
  Result<void> collect_below(uint32_t base, std::deque<std::string>& keys,
                             std::vector<PrefixTree::Text>& texts) {
    for (uint32_t byte = 1; byte < 256; ++byte) {
      const uint32_t child = base ^ byte;
      if (child >= size() || label(unit(child)) != byte) continue;
      if (++visited_ > kMostNodes) return fail("more than {} nodes of texts", kMostNodes);
      if (key_.size() == kLongestText) return fail("a text longer than {} bytes", kLongestText);
      const uint32_t below = child ^ offset(unit(child));
      key_ += static_cast<char>(byte);
      if (ends_text(unit(child))) {
        if (below >= size()) return fail("a value outside the double array");
        keys.push_back(key_);
        texts.push_back({keys.back(), static_cast<int32_t>(unit(below) & INT32_MAX)});
      }
      TRY(collect_below(below, keys, texts));
      key_.pop_back();
    }
    return {};
  }

  std::span<const uint8_t> bytes_;
  std::string key_;
  size_t visited_ = 0;
};

Result<void> check_replacements(std::span<const PrefixTree::Text> texts, std::string_view all) {
  for (const auto& text : texts) {
    const auto at = static_cast<size_t>(text.value);
    const std::string_view rest = at < all.size() ? all.substr(at) : std::string_view();
    const size_t end = rest.substr(0, kLongestReplacement + 1).find('\0');
    if (end == std::string_view::npos) {
      return fail(
          "a replacement at byte {} of {}, expected one of at most {} bytes with a zero after", at,
          all.size(), kLongestReplacement);
    }
  }
  return {};
}

}  // namespace

Result<Charsmap> Charsmap::parse(std::span<const uint8_t> bytes) {
  if (bytes.size() < 4 || bytes.size() > kLargestMap) {
    return fail("{} bytes, expected 4 to {}", bytes.size(), kLargestMap);
  }
  const size_t array_bytes =
      bytes[0] | uint32_t{bytes[1]} << 8 | uint32_t{bytes[2]} << 16 | uint32_t{bytes[3]} << 24;
  bytes = bytes.subspan(4);
  if (array_bytes > bytes.size()) {
    return fail("a double array of {} bytes, but only {} follow", array_bytes, bytes.size());
  }
  std::deque<std::string> keys;
  std::vector<PrefixTree::Text> texts;
  TRY(DoubleArray(bytes.first(array_bytes)).collect(keys, texts));
  bytes = bytes.subspan(array_bytes);
  Charsmap map;
  map.replacements_.assign(bytes.begin(), bytes.end());
  TRY(check_replacements(texts, map.replacements_));
  map.texts_ = PrefixTree(std::move(texts));
  return map;
}

Charsmap::Match Charsmap::longest_at(std::string_view text, size_t at) const {
  const auto longest = texts_.longest_at(text, at);
  if (longest.bytes == 0) return {};
  return {longest.bytes, replacements_.c_str() + longest.value};
}

}  // namespace issun::tokenizer
