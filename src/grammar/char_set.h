// Sets of characters, coarse enough to be two words: each ASCII character by itself, the control
// characters together, and all others by block. What tokens are made of, and what a text may go on
// with, are compared as such sets, so that many tokens are allowed without looking at each.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace issun::grammar {

constexpr char32_t kLastCharacter = 0x10FFFF;
constexpr char32_t kFirstSurrogate = 0xD800, kAfterSurrogates = 0xE000;

// First and last character.
using Range = std::pair<char32_t, char32_t>;

class CharSet {
 public:
  // Class 0 holds the control characters, class 1 + i the character 0x20 + i, then come blocks.
  // Blank characters are blocks of their own, since patterns tell them apart.
  static constexpr std::array<char32_t, 26> kBlocks = {0x80,    0xA0,
                                                       0xA1,    0x250,
                                                       0x370,   0x530,
                                                       0x1680,  0x1681,
                                                       0x2000,  0x200B,
                                                       0x2028,  0x202A,
                                                       0x202F,  0x2030,
                                                       0x205F,  0x2060,
                                                       0x3000,  0x3001,
                                                       0x3040,  0x3100,
                                                       0xA000,  kAfterSurrogates,
                                                       0xFEFF,  0xFF00,
                                                       0x10000, 0x20000};
  static constexpr size_t kAscii = 1 + 0x60;
  static constexpr size_t kClasses = kAscii + kBlocks.size();
  static_assert(kClasses <= 128);

  static size_t class_of(char32_t character) {
    if (character < 0x80) return character < 0x20 ? 0 : character - 0x1F;
    const auto after = std::upper_bound(kBlocks.begin(), kBlocks.end(), character);
    return kAscii + static_cast<size_t>(after - kBlocks.begin()) - 1;
  }
  // The characters of a class.
  static Range characters_of(size_t number) {
    if (number == 0) return {0, 0x1F};
    if (number < kAscii) return {number + 0x1F, number + 0x1F};
    const size_t block = number - kAscii;
    const char32_t after = block + 1 < kBlocks.size() ? kBlocks[block + 1] : kLastCharacter + 1;
    return {kBlocks[block], after == kAfterSurrogates ? kFirstSurrogate - 1 : after - 1};
  }

  static CharSet all() { return CharSet().inverted(); }
  // Of a range, the classes that lie in it wholly.
  static CharSet within(char32_t first, char32_t last) {
    CharSet set;
    for (size_t i = 0; i < kClasses; ++i) {
      if (characters_of(i).first >= first && characters_of(i).second <= last) set.add(i);
    }
    return set;
  }

  bool operator==(const CharSet&) const = default;
  bool has(size_t number) const { return (bits_[number / 64] >> (number % 64) & 1) != 0; }
  void add(size_t number) { bits_[number / 64] |= uint64_t{1} << (number % 64); }
  CharSet& operator|=(const CharSet& other) {
    for (size_t i = 0; i < 2; ++i) bits_[i] |= other.bits_[i];
    return *this;
  }
  // What is here and not in the other.
  CharSet without(const CharSet& other) const {
    CharSet set;
    for (size_t i = 0; i < 2; ++i) set.bits_[i] = bits_[i] & ~other.bits_[i];
    return set;
  }
  bool holds(const CharSet& other) const {
    return ((other.bits_[0] & ~bits_[0]) | (other.bits_[1] & ~bits_[1])) == 0;
  }
  int size() const { return std::popcount(bits_[0]) + std::popcount(bits_[1]); }

 private:
  CharSet inverted() const {
    CharSet set;
    for (size_t i = 0; i < kClasses; ++i) {
      if (!has(i)) set.add(i);
    }
    return set;
  }
  std::array<uint64_t, 2> bits_ = {};
};

}  // namespace issun::grammar
