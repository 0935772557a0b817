#include "grammar/number_language.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <optional>
#include <tuple>

#include "base/check.h"
#include "grammar/regex.h"

namespace issun::grammar {

namespace {

constexpr int64_t kMaxRemainders = 200'000;

// Where in -?(0|[1-9][0-9]*)([.][0-9]+)? a text stands.
enum class Part { Start, Minus, Zero, Whole, Point, Fraction };

std::optional<Part> next_part(Part part, char32_t character) {
  const bool digit = character >= '0' && character <= '9';
  switch (part) {
    case Part::Start:
      if (character == '-') return Part::Minus;
      [[fallthrough]];
    case Part::Minus:
      if (!digit) return std::nullopt;
      return character == '0' ? Part::Zero : Part::Whole;
    case Part::Whole:
      if (digit) return Part::Whole;
      [[fallthrough]];
    case Part::Zero:
      if (character == '.') return Part::Point;
      return std::nullopt;
    case Part::Point:
    case Part::Fraction:
      if (digit) return Part::Fraction;
      return std::nullopt;
  }
  return std::nullopt;
}

bool may_end(Part part) {
  return part == Part::Zero || part == Part::Whole || part == Part::Fraction;
}

std::vector<char32_t> digit_borders() {
  std::vector<char32_t> borders = {'-', '-' + 1, '.', '.' + 1};
  for (char32_t digit = '0'; digit <= '9' + 1; ++digit) borders.push_back(digit);
  return borders;
}

Dfa of_regex(const char* pattern) {
  auto dfa = parse_regex(pattern);
  CHECK_THAT(dfa.has_value());
  return std::move(*dfa);
}

int sign_of(int number) { return (number > 0) - (number < 0); }

}  // namespace

Result<Decimal> decimal_of(const Json& number) {
  std::string text;
  if (number.is_integer()) {
    text = fmt::format("{}", number.integer());
  } else {
    const double value = number.number();
    if (std::abs(value) >= 0x1p63 && std::abs(value) < 1e19 * 2) {
      return fail("a number of at most 64 bits is expected, found about {}", value);
    }
    text = fmt::format("{}", value);  // the shortest digits that are this number
  }
  Decimal decimal;
  decimal.negative = text.starts_with('-');
  if (decimal.negative) text.erase(0, 1);
  int exponent = 0;
  if (const size_t e = text.find('e'); e != std::string::npos) {
    const char* first = text.data() + e + (text[e + 1] == '+' ? 2 : 1);
    std::from_chars(first, text.data() + text.size(), exponent);
    text.resize(e);
  }
  const size_t point = std::min(text.find('.'), text.size());
  std::string digits = text.substr(0, point);
  if (point < text.size()) digits += text.substr(point + 1);
  int whole_digits = static_cast<int>(point) + exponent;
  if (whole_digits < 1) {
    digits.insert(0, static_cast<size_t>(1 - whole_digits), '0');
    whole_digits = 1;
  }
  if (static_cast<size_t>(whole_digits) > digits.size()) {
    digits.resize(static_cast<size_t>(whole_digits), '0');
  }
  decimal.whole = digits.substr(0, static_cast<size_t>(whole_digits));
  decimal.fraction = digits.substr(static_cast<size_t>(whole_digits));
  decimal.whole.erase(0, std::min(decimal.whole.find_first_not_of('0'), decimal.whole.size() - 1));
  while (decimal.fraction.ends_with('0')) decimal.fraction.pop_back();
  if (decimal.whole == "0" && decimal.fraction.empty()) decimal.negative = false;
  return decimal;
}

Dfa any_number() { return of_regex("^-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?$"); }
Dfa any_integer() { return of_regex("^-?(0|[1-9][0-9]*)$"); }
Dfa any_fraction() { return of_regex("^-?(0|[1-9][0-9]*)[.][0-9]*[1-9][0-9]*$"); }
Dfa any_plain_number() { return of_regex("^-?(0|[1-9][0-9]*)([.][0-9]+)?$"); }

Result<Dfa> numbers_compared(Comparison comparison, const Decimal& bound) {
  // Compares magnitudes digit by digit: `order` is that of what was read to the bound's digits, as
  // far as `position`, which counts digits of the part.
  struct State {
    Part part = Part::Start;
    bool negative = false;
    int order = 0;
    size_t position = 0;
    bool operator<(const State& other) const {
      return std::tie(part, negative, order, position) <
             std::tie(other.part, other.negative, other.order, other.position);
    }
  };
  const size_t whole = bound.whole.size(), fraction = bound.fraction.size();
  const auto next = [&](const State& state, char32_t character) -> std::optional<State> {
    const auto part = next_part(state.part, character);
    if (!part) return std::nullopt;
    State to = state;
    to.part = *part;
    const int digit = static_cast<int>(character) - '0';
    if (*part == Part::Minus) {
      to.negative = true;
    } else if (*part == Part::Zero || *part == Part::Whole) {
      if (state.position >= whole) {
        to.order = 1;  // more digits: larger, whatever they are
      } else {
        if (to.order == 0) to.order = sign_of(digit - (bound.whole[state.position] - '0'));
        ++to.position;
      }
    } else if (*part == Part::Point) {
      if (state.position < whole) to.order = -1;
      to.position = 0;
    } else if (state.order == 0) {
      const bool known = state.position < fraction;
      to.order = sign_of(digit - (known ? bound.fraction[state.position] - '0' : 0));
      to.position = known ? state.position + 1 : state.position;
    }
    if (to.order != 0 && (*part == Part::Point || *part == Part::Fraction)) to.position = 0;
    return to;
  };
  const auto order_of = [&](const State& state) {
    int order = state.order;
    if (state.part == Part::Fraction) {
      if (order == 0 && state.position < fraction) order = -1;
    } else if (state.position < whole) {
      order = -1;
    } else if (order == 0 && fraction > 0) {
      order = -1;
    }
    const bool bound_is_zero = bound.whole == "0" && fraction == 0;
    if (bound.negative) return state.negative ? -order : 1;
    if (state.negative) return bound_is_zero && order == 0 ? 0 : -1;
    return order;
  };
  return Dfa::explore(digit_borders(), State(), next, [&](const State& state) {
    if (!may_end(state.part)) return 0u;
    const int order = order_of(state);
    switch (comparison) {
      case Comparison::Below:
        return order < 0 ? 1u : 0u;
      case Comparison::AtMost:
        return order <= 0 ? 1u : 0u;
      case Comparison::Equal:
        return order == 0 ? 1u : 0u;
      case Comparison::AtLeast:
        return order >= 0 ? 1u : 0u;
      case Comparison::Above:
        return order > 0 ? 1u : 0u;
    }
    return 0u;
  });
}

Result<Dfa> multiples_of(const Decimal& step) {
  const std::string digits = step.whole + step.fraction;
  int64_t divisor = 0;
  for (const char digit : digits) {
    divisor = divisor * 10 + (digit - '0');
    if (divisor > kMaxRemainders) {
      return fail("expected a step of at most {} once its point is dropped, found {}.{}",
                  kMaxRemainders, step.whole, step.fraction);
    }
  }
  if (divisor <= 0 || step.negative) return fail("expected a number above 0");
  // The number times 10^places, modulo the divisor; `read` counts digits of the fraction.
  using State = std::tuple<Part, int64_t, size_t>;
  const size_t places = step.fraction.size();
  return Dfa::explore(
      digit_borders(), State{Part::Start, 0, 0},
      [&](const State& state, char32_t character) -> std::optional<State> {
        const auto part = next_part(std::get<0>(state), character);
        if (!part) return std::nullopt;
        auto [unused, remainder, read] = state;
        if (character >= '0' && character <= '9') {
          const int digit = static_cast<int>(character) - '0';
          if (*part == Part::Fraction && read == places) {
            if (digit != 0) return std::nullopt;
          } else {
            remainder = (remainder * 10 + digit) % divisor;
            if (*part == Part::Fraction) ++read;
          }
        }
        return State{*part, remainder, read};
      },
      [&](const State& state) {
        auto [part, remainder, read] = state;
        for (; read < places; ++read) remainder = remainder * 10 % divisor;
        return may_end(part) && remainder == 0 ? 1u : 0u;
      });
}

}  // namespace issun::grammar
