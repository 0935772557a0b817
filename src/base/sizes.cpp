#include "base/sizes.h"

#include <fmt/format.h>

#include <cstdlib>
#include <string_view>

namespace issun {

namespace {
struct Unit {
  const char* name;
  double bytes;
};
constexpr Unit kUnits[] = {{"", 1},          {"B", 1},         {"kB", 1e3},    {"KB", 1e3},
                           {"MB", 1e6},      {"GB", 1e9},      {"TB", 1e12},   {"KiB", 1 << 10},
                           {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"K", 1 << 10}, {"M", 1 << 20},
                           {"G", 1 << 30}};
}  // namespace

std::optional<int64_t> parse_size(const std::string& text) {
  // What strtod would take beyond decimal digits: blanks, signs, words and hexadecimal digits.
  if (text.find_first_of("0123456789.") != 0 || text.find_first_of("xX") == 1) return std::nullopt;
  char* behind = nullptr;
  const double number = std::strtod(text.c_str(), &behind);
  if (behind == text.c_str() || !(number > 0)) return std::nullopt;
  const std::string_view unit(behind, text.c_str() + text.size());
  for (const Unit& known : kUnits) {
    if (unit == known.name && number * known.bytes < 1e18 && number * known.bytes >= 1)
      return static_cast<int64_t>(number * known.bytes);
  }
  return std::nullopt;
}

std::string readable_size(int64_t bytes) {
  const double number = static_cast<double>(bytes);
  return number < 1e9 ? fmt::format("{:.1f} MB", number * 1e-6)
                      : fmt::format("{:.2f} GB", number * 1e-9);
}

}  // namespace issun
