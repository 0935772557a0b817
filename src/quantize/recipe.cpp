#include "quantize/recipe.h"

#include "base/quote.h"

namespace issun::quantize {

namespace {

constexpr std::string_view kSpace = " \t\r";

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

}  // namespace

Result<std::vector<TypeRule>> parse_recipe(std::string_view text, std::string_view name) {
  std::vector<TypeRule> rules;
  for (int number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line[0] == '#') continue;
    const size_t split = line.find_last_of(kSpace);
    const auto type =
        split == std::string_view::npos ? std::nullopt : dtype_from_name(line.substr(split + 1));
    if (!type || !facts(*type).computable) {
      return fail("{}: line {}: expected a pattern and a type, as ffn_down Q6_K, found '{}'", name,
                  number, printable(line));
    }
    rules.push_back({std::string(trimmed(line.substr(0, split))), *type});
  }
  if (rules.empty()) return fail("{}: expected lines of a pattern and a type, found none", name);
  return rules;
}

std::string write_recipe(const std::vector<TypeRule>& rules,
                         const std::vector<std::string>& comments) {
  std::string text;
  for (const std::string& comment : comments) text += "# " + comment + "\n";
  for (const TypeRule& rule : rules) text += fmt::format("{} {}\n", rule.pattern, name(rule.type));
  return text;
}

}  // namespace issun::quantize
