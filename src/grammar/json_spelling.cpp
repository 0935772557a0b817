#include "grammar/json_spelling.h"

#include <string_view>

namespace issun::grammar {

namespace {

using Mode = SpellingMode;
using StepKind = SpellingStep::Kind;

Mode less_one(Mode mode) { return static_cast<Mode>(static_cast<uint32_t>(mode) - 1); }
int missing(Mode mode, Mode first) { return static_cast<int>(mode) - static_cast<int>(first) + 1; }

void add(SpellingStep& step, char32_t first, char32_t last) {
  if (first <= last) step.possible[static_cast<size_t>(step.ranges++)] = {first, last};
}

SpellingStep character(char32_t code) { return {.kind = StepKind::Character, .character = code}; }

// A UTF-8 sequence of which `value` was read and some bytes are missing; `least`: shorter sequences
// write what is below.
SpellingStep tail(Mode mode, uint32_t value, char32_t least, bool regular) {
  const int bits = 6 * missing(mode, Mode::Tail1);
  const char32_t first = static_cast<char32_t>(value) << bits;
  const char32_t last = first | ((char32_t{1} << bits) - 1);
  SpellingStep step{.kind = StepKind::Inside, .next = {mode, value}, .regular = regular};
  const char32_t low = std::max(first, least), high = std::min(last, kLastCharacter);
  if (low < kFirstSurrogate || low >= kAfterSurrogates) {
    add(step, low, low < kFirstSurrogate ? std::min<char32_t>(high, kFirstSurrogate - 1) : high);
  }
  if (step.ranges == 0) step.kind = StepKind::Refused;
  return step;
}

SpellingStep plain(uint8_t byte) {
  if (byte == '"') return {.kind = StepKind::Quote};
  if (byte == '\\') {
    SpellingStep step{.kind = StepKind::Inside, .next = {Mode::Escape, 0}};
    add(step, 0, kLastCharacter);
    return step;
  }
  if (byte < 0x20) return {};
  if (byte < 0x80) return character(byte);
  if (byte < 0xC2 || byte > 0xF4) return {};
  if (byte < 0xE0) return tail(Mode::Tail1, byte & 0x1F, 0x80, true);
  if (byte < 0xF0) return tail(Mode::Tail2, byte & 0x0F, 0x800, byte != 0xE0 && byte != 0xED);
  return tail(Mode::Tail3, byte & 0x07, 0x10000, byte != 0xF0 && byte != 0xF4);
}

SpellingStep continued(Spelling at, uint8_t byte) {
  if ((byte & 0xC0) != 0x80) return {};
  const uint32_t value = at.value << 6 | (byte & 0x3F);
  if (at.mode == Mode::Tail1) return character(value);
  const char32_t least = at.mode == Mode::Tail3 ? 0x10000 : 0x800;
  return tail(less_one(at.mode), value, least, true);
}

SpellingStep escaped(uint8_t byte) {
  constexpr std::string_view kLetters = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
  const size_t i = kLetters.find(static_cast<char>(byte));
  if (i != std::string_view::npos) return character(static_cast<unsigned char>(kMeanings[i]));
  if (byte != 'u') return {};
  SpellingStep step{.kind = StepKind::Inside, .next = {Mode::Hex4, 0}};
  add(step, 0, kLastCharacter);
  return step;
}

int digit_of(uint8_t byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  const int letter = byte | 0x20;
  return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

char32_t beyond(uint32_t high_bits, uint32_t low_bits) {
  return 0x10000 + (high_bits << 10) + low_bits;
}

SpellingStep hexadecimal(Spelling at, uint8_t byte) {
  const int digit = digit_of(byte);
  if (digit < 0) return {};
  const uint32_t value = at.value << 4 | static_cast<uint32_t>(digit);
  const int left = missing(at.mode, Mode::Hex1) - 1;
  if (left == 0 && (value < 0xD800 || value > 0xDFFF)) return character(value);
  const uint32_t first = value << 4 * left, last = first | ((1u << 4 * left) - 1);
  SpellingStep step{.kind = StepKind::Inside,
                    .next = {left == 0 ? Mode::High : less_one(at.mode), value}};
  add(step, first, std::min<uint32_t>(last, kFirstSurrogate - 1));
  add(step, std::max<uint32_t>(first, kAfterSurrogates), last);
  const uint32_t high_first = std::max(first, 0xD800u), high_last = std::min(last, 0xDBFFu);
  if (high_first <= high_last) {
    add(step, beyond(high_first - 0xD800, 0), beyond(high_last - 0xD800, 0x3FF));
  }
  if (step.ranges == 0) step.kind = StepKind::Refused;
  return step;
}

// The second half of a pair: `value` holds the first in its upper bits.
SpellingStep low(Spelling at, uint8_t byte) {
  const int digit = digit_of(byte);
  if (digit < 0) return {};
  const uint32_t value = at.value << 4 | static_cast<uint32_t>(digit);
  const int left = missing(at.mode, Mode::Low1) - 1;
  const uint32_t high = at.value >> 4 * (3 - left);
  const uint32_t read = value & ((1u << 4 * (4 - left)) - 1);
  const uint32_t first = std::max(read << 4 * left, 0xDC00u);
  const uint32_t last = std::min((read << 4 * left) | ((1u << 4 * left) - 1), 0xDFFFu);
  if (first > last) return {};
  if (left == 0) return character(beyond(high, read - 0xDC00));
  SpellingStep step{.kind = StepKind::Inside, .next = {less_one(at.mode), value}};
  add(step, beyond(high, first - 0xDC00), beyond(high, last - 0xDC00));
  return step;
}

// A backslash and a u, after the first half of a pair.
SpellingStep between_halves(Spelling at, uint8_t byte) {
  const bool high = at.mode == Mode::High;
  if (byte != (high ? '\\' : 'u')) return {};
  const uint32_t bits = high ? at.value - 0xD800 : at.value;
  SpellingStep step{.kind = StepKind::Inside, .next = {high ? Mode::HighU : Mode::Low4, bits}};
  add(step, beyond(bits, 0), beyond(bits, 0x3FF));
  return step;
}

}  // namespace

SpellingStep spell(Spelling at, uint8_t byte) {
  switch (at.mode) {
    case Mode::Plain:
      return plain(byte);
    case Mode::Tail1:
    case Mode::Tail2:
    case Mode::Tail3:
      return continued(at, byte);
    case Mode::Known1:
    case Mode::Known2:
    case Mode::Known3: {
      if ((byte & 0xC0) != 0x80) return {};
      if (at.mode == Mode::Known1) return {.kind = StepKind::Known};
      SpellingStep step{.kind = StepKind::Inside, .next = {less_one(at.mode), at.value}};
      return step;
    }
    case Mode::Escape:
      return escaped(byte);
    case Mode::Hex1:
    case Mode::Hex2:
    case Mode::Hex3:
    case Mode::Hex4:
      return hexadecimal(at, byte);
    case Mode::High:
    case Mode::HighU:
      return between_halves(at, byte);
    case Mode::Low1:
    case Mode::Low2:
    case Mode::Low3:
    case Mode::Low4:
      return low(at, byte);
  }
  return {};
}

SpellingMode known_mode(SpellingMode tail_mode) {
  return static_cast<Mode>(static_cast<uint32_t>(tail_mode) + 3);
}

}  // namespace issun::grammar
