#include <fmt/format.h>

#include <algorithm>

#include "chat/jinja/filters.h"
#include "chat/jinja/format.h"
#include "chat/jinja/operators.h"
#include "chat/jinja/string_methods.h"
#include "chat/jinja/text.h"

namespace issun::chat::jinja {

namespace {

// Text filters take any value and work on its text.
template <std::string (*map)(std::string_view)>
Result<Value> mapped_text(Call& call) {
  const Value text = TRY(as_text(call.runtime, call.self));
  return call.runtime.changed(text, map(text.text()));
}

// Jinja's own idea of a title: only blanks, dashes and opening brackets start a new word.
std::string filter_title(std::string_view text) {
  std::string out;
  bool starts = true;
  for (; !text.empty(); text.remove_prefix(code_point_bytes(text))) {
    const std::string_view letter = text.substr(0, code_point_bytes(text));
    out += starts ? upper(letter) : lower(letter);
    starts =
        is_space(code_point(letter)) ||
        (letter.size() == 1 && std::string_view("-({[<").find(letter[0]) != std::string_view::npos);
  }
  return out;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '"':
        out += "&#34;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string url_encoded(std::string_view text) {
  constexpr std::string_view kPlain = "_.-~/";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
                       kPlain.find(c) != std::string_view::npos;
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<uint8_t>(c));
  }
  return out;
}

Result<Value> text_of(Call& call) { return as_text(call.runtime, call.self); }

Result<Value> trim(Call& call) {
  const Value source = TRY(text_of(call));
  const std::string& text = source.text();
  if (!call.has(0) || call.args[0].is_none()) return call.runtime.text(source, strip(text));
  const std::string_view characters = TRY(call.text(0));
  TRY(call.runtime.spend(static_cast<int64_t>(characters.size() >> 4) * (1 + (text.size() >> 4))));
  return call.runtime.text(source, strip_left(strip_right(text, characters), characters));
}

Result<Value> replace(Call& call) {
  const Value text = TRY(text_of(call));
  const std::string old = TRY(to_text(call.runtime, call.args[0]));
  const Value by = TRY(as_text(call.runtime, call.args[1]));
  return replaced(call.runtime, text, old, by, TRY(call.integer(2, -1)));
}

Result<Value> format(Call& call) {
  const Value text = TRY(text_of(call));
  if (call.rest.keyword.empty()) {
    const Value arguments = TRY(call.runtime.list(call.rest.positional, true));
    return percent_format(call.runtime, text, arguments);
  }
  const Value named = TRY(call.runtime.dict());
  for (const auto& [name, value] : call.rest.keyword) named.entries().set(name, value);
  return percent_format(call.runtime, text, named);
}

Result<Value> indent(Call& call) {
  const Value source = TRY(text_of(call));
  const std::string& text = source.text();
  std::string margin(4, ' ');
  if (call.has(0) && call.args[0].is_string()) {
    margin = call.args[0].text();
  } else if (call.has(0)) {
    constexpr int64_t kWidest = 1000;
    const int64_t width = TRY(call.integer(0));
    if (width > kWidest) return fail("a width above {}", kWidest);
    margin.assign(static_cast<size_t>(std::max<int64_t>(width, 0)), ' ');
  }
  const bool first = call.has(1) && call.args[1].truth();
  const bool blank = call.has(2) && call.args[2].truth();
  TextSink sink(call.runtime);
  std::string_view rest = text;
  for (bool first_line = true, more = true; more; first_line = false) {
    const size_t end = rest.find('\n');
    more = end != std::string_view::npos;
    const std::string_view line = rest.substr(0, end);
    if (first_line ? first : blank || !line.empty()) TRY(sink.add(margin));
    TRY(sink.add(source, line));
    if (more) TRY(sink.add("\n"));
    if (more) rest.remove_prefix(end + 1);
  }
  return std::move(sink).value();
}

Result<Value> center(Call& call) {
  const Value text = TRY(text_of(call));
  Arguments arguments;
  arguments.positional.emplace_back(TRY(call.integer(0, 80)));
  return call_builtin(call.runtime, *find_method(text, "center"), text, std::move(arguments));
}

Result<Value> truncate(Call& call) {
  const Value source = TRY(text_of(call));
  const std::string& text = source.text();
  const int64_t length = TRY(call.integer(0, 255));
  const bool inside_words = call.has(1) && call.args[1].truth();
  const std::string end = call.has(2) ? std::string(TRY(call.text(2))) : "...";
  const int64_t leeway = std::clamp<int64_t>(TRY(call.integer(3, 5)), 0, int64_t{1} << 32);
  const int64_t room = length - count_code_points(end);
  if (room < 0) return fail("length {} is too short for '{}'", length, end);
  if (count_code_points(text) - leeway <= length) return source;
  std::string_view kept = code_points(text, 0, room);
  if (const size_t blank = kept.rfind(' '); !inside_words && blank != std::string_view::npos) {
    kept = kept.substr(0, blank);
  }
  TextSink sink(call.runtime);
  TRY(sink.add(source, kept));
  TRY(sink.add(end));
  return std::move(sink).value();
}

Result<Value> count_words(Call& call) {
  const std::string text = TRY(to_text(call.runtime, call.self));
  int64_t count = 0;
  bool inside = false;
  std::string_view rest = text;
  for (; !rest.empty(); rest.remove_prefix(code_point_bytes(rest))) {
    const char32_t code = code_point(rest);
    const bool word = is_letter(code) || code == '_' || (code >= '0' && code <= '9');
    count += word && !inside;
    inside = word;
  }
  return Value(count);
}

constexpr Builtin kTextFilters[] = {
    {"upper", "", mapped_text<upper>},
    {"lower", "", mapped_text<lower>},
    {"capitalize", "", mapped_text<capitalize>},
    {"title", "", mapped_text<filter_title>},
    {"escape", "", mapped_text<escaped>},
    {"e", "", mapped_text<escaped>},
    {"forceescape", "", mapped_text<escaped>},
    {"urlencode", "", mapped_text<url_encoded>},
    {"safe", "", text_of},
    {"string", "", text_of},
    {"trim", "chars?", trim},
    {"replace", "old new count?", replace},
    {"format", "*", format},
    {"indent", "width? first? blank?", indent},
    {"center", "width?", center},
    {"truncate", "length? killwords? end? leeway?", truncate},
    {"wordcount", "", count_words},
};

}  // namespace

std::span<const Builtin> text_filters() { return kTextFilters; }

}  // namespace issun::chat::jinja
