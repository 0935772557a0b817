#include "apps/config_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "apps/model_source.h"
#include "base/file.h"
#include "base/quote.h"

namespace issun::apps {

namespace {

constexpr std::string_view kSpaces = " \t\r";

class LineReader {
 public:
  explicit LineReader(std::string_view line) : rest_(line) { skip(); }

  // Nothing, or a comment.
  bool ended() const { return rest_.empty() || rest_[0] == '#'; }
  bool take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    skip();
    return true;
  }
  std::string_view rest() const { return rest_; }

  // Letters, digits and dashes.
  std::string name() {
    const auto part_of_name = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
    };
    const auto end = std::find_if_not(rest_.begin(), rest_.end(), part_of_name);
    std::string name(rest_.begin(), end);
    rest_.remove_prefix(name.size());
    skip();
    return name;
  }

  Result<std::string> value() {
    if (rest_.starts_with('"') || rest_.starts_with('\'')) return quoted();
    const size_t end = std::min(rest_.find_first_of(" \t\r#,[]\"'"), rest_.size());
    if (end == 0) return fail("expected a value, found '{}'", printable(rest_));
    std::string word(rest_.substr(0, end));
    rest_.remove_prefix(end);
    skip();
    return word;
  }

 private:
  void skip() { rest_.remove_prefix(std::min(rest_.find_first_not_of(kSpaces), rest_.size())); }

  Result<std::string> quoted() {
    const char quote = rest_[0];
    std::string text;
    for (size_t i = 1; i < rest_.size(); ++i) {
      char c = rest_[i];
      if (c == quote) {
        rest_.remove_prefix(i + 1);
        skip();
        return text;
      }
      if (c == '\\' && quote == '"') {
        const size_t known = ++i < rest_.size() ? std::string_view("\"\\nt").find(rest_[i]) : 4;
        if (known >= 4) return fail("expected one of the escapes \\\" \\\\ \\n \\t");
        c = "\"\\\n\t"[known];
      }
      text += c;
    }
    return fail("expected {} at the end of the text", quote);
  }

  std::string_view rest_;
};

Result<void> read_line(LineReader& reader, ConfigLine* line) {
  line->name = reader.name();
  if (line->name.empty() || !reader.take('='))
    return fail("expected name = value, found '{}{}'", line->name, printable(reader.rest()));
  line->listed = reader.take('[');
  if (!line->listed) {
    line->values.push_back(TRY(reader.value()));
  } else if (!reader.take(']')) {
    do {
      line->values.push_back(TRY(reader.value()));
    } while (reader.take(','));
    if (!reader.take(']')) return fail("expected ] at the end of the list");
  }
  if (!reader.ended())
    return fail("expected the end of the line, found '{}'", printable(reader.rest()));
  return {};
}

void apply(CLI::App& command, ConfigLine& line, std::set<const CLI::Option*>& said) {
  const std::string name = line.name;
  if (const SourceFlag* source = source_flag("--" + name)) {
    line.name = "model";
    for (std::string& value : line.values) value = with_word(*source, value);
  }
  CLI::Option* option = command.get_option_no_throw("--" + line.name);
  if (option == nullptr || option == command.get_help_ptr() || !option->get_configurable())
    throw CLI::ConfigError(fmt::format("{}: no flag of this command has that name", name));
  if (!said.insert(option).second)
    throw CLI::ConfigError(
        fmt::format("{}: was said before{}", name,
                    option->get_expected_max() > 1 ? "; expected one list" : ""));
  if (option->count() > 0) return;  // the command line wins
  if (option->get_expected_min() == 0) {
    const std::string word = line.values.empty() ? "" : line.values[0];
    if (line.listed || (word != "true" && word != "false"))
      throw CLI::ConversionError(fmt::format("{}: expected true or false", name));
    if (word == "false") return;
    option->add_result(option->get_flag_value(line.name, "true"));
  } else {
    if (line.values.empty())
      throw CLI::ConversionError(fmt::format("{}: expected at least one value", name));
    for (const std::string& value : line.values) option->add_result(value);
  }
  option->run_callback();
}

}  // namespace

Result<std::vector<ConfigLine>> parse_config(std::string_view text) {
  std::vector<ConfigLine> lines;
  int number = 0;
  while (!text.empty()) {
    ++number;
    const size_t end = std::min(text.find('\n'), text.size());
    LineReader reader(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (reader.ended()) continue;
    ConfigLine line{.line = number, .name = "", .values = {}};
    if (const auto sound = read_line(reader, &line); !sound)
      return fail("line {}: {}", number, sound.error().message);
    lines.push_back(std::move(line));
  }
  return lines;
}

void apply_config(CLI::App& command, const std::string& path) {
  const auto text = read_text(path);
  if (!text) throw CLI::FileError(text.error().message);
  auto lines = parse_config(*text);
  if (!lines) throw CLI::ConfigError(path + ": " + lines.error().message);
  std::set<const CLI::Option*> said;
  for (ConfigLine& line : *lines) {
    try {
      apply(command, line, said);
    } catch (const CLI::ParseError& error) {
      throw CLI::ConfigError(fmt::format("{}: line {}: {}", path, line.line, error.what()));
    }
  }
}

}  // namespace issun::apps
