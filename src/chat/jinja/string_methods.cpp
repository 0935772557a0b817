#include "chat/jinja/string_methods.h"

#include <algorithm>

#include "chat/jinja/format.h"
#include "chat/jinja/operators.h"
#include "chat/jinja/text.h"

namespace issun::chat::jinja {

namespace {

const std::string& self(const Call& call) { return call.self.text(); }

// Of a part of the subject.
Result<Value> made(const Call& call, std::string_view part) {
  return call.runtime.text(call.self, part);
}

template <std::string (*map)(std::string_view)>
Result<Value> mapped(Call& call) {
  return call.runtime.changed(call.self, map(self(call)));
}

std::string swap_case(std::string_view text) {
  std::string out;
  for (; !text.empty(); text.remove_prefix(code_point_bytes(text))) {
    const std::string_view letter = text.substr(0, code_point_bytes(text));
    const std::string small = lower(letter);
    out += small == letter ? upper(letter) : small;
  }
  return out;
}

Result<Value> strip_sides(Call& call, bool left, bool right) {
  std::string_view text = self(call);
  if (!call.has(0) || call.args[0].is_none()) {
    if (left) text = strip_left(text);
    if (right) text = strip_right(text);
    return made(call, text);
  }
  const std::string_view characters = TRY(call.text(0));
  TRY(call.runtime.spend(static_cast<int64_t>(characters.size() >> 4) * (1 + (text.size() >> 4))));
  if (left) text = strip_left(text, characters);
  if (right) text = strip_right(text, characters);
  return made(call, text);
}
Result<Value> method_strip(Call& call) { return strip_sides(call, true, true); }
Result<Value> method_lstrip(Call& call) { return strip_sides(call, true, false); }
Result<Value> method_rstrip(Call& call) { return strip_sides(call, false, true); }

Result<void> add_piece(const Call& call, std::vector<Value>* pieces, std::string_view piece) {
  TRY(call.runtime.grow(static_cast<int64_t>(sizeof(Value) + sizeof(std::string))));
  pieces->push_back(TRY(made(call, piece)));
  return {};
}

Result<Value> split_blanks(Call& call, int64_t most, bool from_right) {
  std::vector<Value> pieces;
  std::string_view text = from_right ? strip_right(self(call)) : strip_left(self(call));
  while (!text.empty()) {
    std::string_view piece = text;
    const bool last = most >= 0 && static_cast<int64_t>(pieces.size()) == most;
    if (from_right && last) {
      text = {};
    } else if (from_right) {
      size_t begin = text.size();
      while (begin > 0 && strip_right(text.substr(0, begin)).size() == begin) --begin;
      piece = text.substr(begin);
      text = strip_right(text.substr(0, begin));
    } else if (last) {
      text = {};
    } else {
      size_t end = 0;
      while (end < text.size() && !is_space(code_point(text.substr(end)))) {
        end += code_point_bytes(text.substr(end));
      }
      piece = text.substr(0, end);
      text = strip_left(text.substr(end));
    }
    TRY(add_piece(call, &pieces, piece));
  }
  if (from_right) std::reverse(pieces.begin(), pieces.end());
  return call.runtime.list(std::move(pieces));
}

Result<Value> split_text(Call& call, bool from_right) {
  const int64_t most = TRY(call.integer(1, -1));
  if (!call.has(0) || call.args[0].is_none()) return split_blanks(call, most, from_right);
  const std::string_view separator = TRY(call.text(0));
  if (separator.empty()) return fail("an empty separator");
  std::vector<Value> pieces;
  std::string_view text = self(call);
  while (most < 0 || static_cast<int64_t>(pieces.size()) < most) {
    const size_t at = from_right ? text.rfind(separator) : text.find(separator);
    if (at == std::string_view::npos) break;
    const std::string_view behind = text.substr(at + separator.size());
    const std::string_view before = text.substr(0, at);
    TRY(add_piece(call, &pieces, from_right ? behind : before));
    text = from_right ? before : behind;
  }
  TRY(add_piece(call, &pieces, text));
  if (from_right) std::reverse(pieces.begin(), pieces.end());
  return call.runtime.list(std::move(pieces));
}
Result<Value> method_split(Call& call) { return split_text(call, false); }
Result<Value> method_rsplit(Call& call) { return split_text(call, true); }

Result<Value> method_splitlines(Call& call) {
  const bool keep = call.has(0) && call.args[0].truth();
  std::vector<Value> lines;
  std::string_view text = self(call);
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of("\n\r\v\f"), text.size());
    const size_t mark = text.substr(end).starts_with("\r\n") ? 2 : end < text.size();
    TRY(add_piece(call, &lines, text.substr(0, end + (keep ? mark : 0))));
    text.remove_prefix(end + mark);
  }
  return call.runtime.list(std::move(lines));
}

// Whether one of the texts in argument 0 (a string or a tuple of them) satisfies `holds`.
Result<Value> any_affix(Call& call, bool (*holds)(std::string_view, std::string_view)) {
  if (!call.args[0].is_tuple()) return Value(holds(self(call), TRY(call.text(0))));
  for (const Value& affix : call.args[0].items().values) {
    if (!affix.is_string()) return fail("expected strings, found {}", affix.kind());
    if (holds(self(call), affix.text())) return Value(true);
  }
  return Value(false);
}
Result<Value> method_startswith(Call& call) {
  return any_affix(call,
                   [](std::string_view text, std::string_view s) { return text.starts_with(s); });
}
Result<Value> method_endswith(Call& call) {
  return any_affix(call,
                   [](std::string_view text, std::string_view s) { return text.ends_with(s); });
}

Result<Value> method_removeprefix(Call& call) {
  std::string_view text = self(call);
  const std::string_view prefix = TRY(call.text(0));
  if (text.starts_with(prefix)) text.remove_prefix(prefix.size());
  return made(call, text);
}
Result<Value> method_removesuffix(Call& call) {
  std::string_view text = self(call);
  const std::string_view suffix = TRY(call.text(0));
  if (text.ends_with(suffix)) text.remove_suffix(suffix.size());
  return made(call, text);
}

Result<Value> method_replace(Call& call) {
  const std::string_view old = TRY(call.text(0));
  TRY(call.text(1));
  return replaced(call.runtime, call.self, old, call.args[1], TRY(call.integer(2, -1)));
}

Result<int64_t> found_at(Call& call, bool last) {
  std::string_view text = self(call);
  const std::string_view piece = TRY(call.text(0));
  TRY(call.runtime.spend(static_cast<int64_t>(text.size()) >> 4));
  const size_t at = last ? text.rfind(piece) : text.find(piece);
  return at == std::string_view::npos ? int64_t{-1} : count_code_points(text.substr(0, at));
}
Result<Value> method_find(Call& call) { return Value(TRY(found_at(call, false))); }
Result<Value> method_rfind(Call& call) { return Value(TRY(found_at(call, true))); }
Result<Value> method_index(Call& call) {
  const int64_t at = TRY(found_at(call, false));
  if (at < 0) return fail("substring not found");
  return Value(at);
}

Result<Value> method_count(Call& call) {
  std::string_view text = self(call);
  const std::string_view piece = TRY(call.text(0));
  TRY(call.runtime.spend(static_cast<int64_t>(text.size()) >> 4));
  if (piece.empty()) return Value(count_code_points(text) + 1);
  int64_t count = 0;
  for (size_t at = text.find(piece); at != std::string_view::npos;
       at = text.find(piece, at + piece.size())) {
    ++count;
  }
  return Value(count);
}

Result<Value> method_join(Call& call) {
  const std::vector<Value> values = TRY(iterate(call.runtime, call.args[0]));
  TextSink sink(call.runtime);
  for (size_t i = 0; i < values.size(); ++i) {
    if (!values[i].is_string()) return fail("expected strings, found {}", values[i].kind());
    if (i > 0) TRY(sink.add_all(call.self));
    TRY(sink.add_all(values[i]));
  }
  return std::move(sink).value();
}

Result<Value> partition_at(Call& call, bool last) {
  const std::string_view text = self(call);
  const std::string_view separator = TRY(call.text(0));
  if (separator.empty()) return fail("an empty separator");
  const size_t at = last ? text.rfind(separator) : text.find(separator);
  std::vector<Value> pieces;
  if (at == std::string_view::npos) {
    const std::string_view nothing = text.substr(0, 0);
    TRY(add_piece(call, &pieces, last ? nothing : text));
    TRY(add_piece(call, &pieces, nothing));
    TRY(add_piece(call, &pieces, last ? text : nothing));
  } else {
    TRY(add_piece(call, &pieces, text.substr(0, at)));
    TRY(add_piece(call, &pieces, text.substr(at, separator.size())));
    TRY(add_piece(call, &pieces, text.substr(at + separator.size())));
  }
  return call.runtime.list(std::move(pieces), true);
}
Result<Value> method_partition(Call& call) { return partition_at(call, false); }
Result<Value> method_rpartition(Call& call) { return partition_at(call, true); }

Result<Value> padded(Call& call, int sides) {  // -1: text at the left, 0: centre, 1: at the right
  const int64_t width = TRY(call.integer(0));
  std::string_view fill = " ";
  if (call.has(1)) fill = TRY(call.text(1));
  if (fill.size() != 1) return fail("expected one fill character of ASCII");
  const int64_t room = std::max<int64_t>(0, width - count_code_points(self(call)));
  // Where Python puts the odd blank of a centred text.
  const int64_t half = room / 2 + (room & width & 1);
  const int64_t left = sides < 0 ? 0 : sides > 0 ? room : half;
  TextSink sink(call.runtime);
  TRY(sink.add(left, fill[0]));
  TRY(sink.add_all(call.self));
  TRY(sink.add(room - left, fill[0]));
  return std::move(sink).value();
}
Result<Value> method_center(Call& call) { return padded(call, 0); }
Result<Value> method_ljust(Call& call) { return padded(call, -1); }
Result<Value> method_rjust(Call& call) { return padded(call, 1); }

Result<Value> method_zfill(Call& call) {
  std::string_view text = self(call);
  const int64_t room = TRY(call.integer(0)) - count_code_points(text);
  const size_t sign = text.starts_with('-') || text.starts_with('+');
  TextSink sink(call.runtime);
  TRY(sink.add(call.self, text.substr(0, sign)));
  TRY(sink.add(room, '0'));
  TRY(sink.add(call.self, text.substr(sign)));
  return std::move(sink).value();
}

Result<Value> method_format(Call& call) { return brace_format(call.runtime, call.self, call.rest); }

template <bool (*holds)(char32_t)>
Result<Value> every(Call& call) {
  std::string_view text = self(call);
  if (text.empty()) return Value(false);
  for (; !text.empty(); text.remove_prefix(code_point_bytes(text))) {
    if (!holds(code_point(text))) return Value(false);
  }
  return Value(true);
}
bool is_any_digit(char32_t c) { return (c >= '0' && c <= '9') || (c >= 0xFF10 && c <= 0xFF19); }
bool is_letter_or_digit(char32_t c) { return is_letter(c) || is_any_digit(c); }
bool is_ascii(char32_t c) { return c < 0x80; }

Result<Value> method_islower(Call& call) {
  return Value(lower(self(call)) == self(call) && upper(self(call)) != self(call));
}
Result<Value> method_isupper(Call& call) {
  return Value(upper(self(call)) == self(call) && lower(self(call)) != self(call));
}

constexpr Builtin kMethods[] = {
    {"upper", "", mapped<upper>},
    {"lower", "", mapped<lower>},
    {"casefold", "", mapped<lower>},
    {"capitalize", "", mapped<capitalize>},
    {"title", "", mapped<title>},
    {"swapcase", "", mapped<swap_case>},
    {"strip", "chars?", method_strip},
    {"lstrip", "chars?", method_lstrip},
    {"rstrip", "chars?", method_rstrip},
    {"split", "sep? maxsplit?", method_split},
    {"rsplit", "sep? maxsplit?", method_rsplit},
    {"splitlines", "keepends?", method_splitlines},
    {"startswith", "prefix", method_startswith},
    {"endswith", "suffix", method_endswith},
    {"removeprefix", "prefix", method_removeprefix},
    {"removesuffix", "suffix", method_removesuffix},
    {"replace", "old new count?", method_replace},
    {"find", "sub", method_find},
    {"rfind", "sub", method_rfind},
    {"index", "sub", method_index},
    {"count", "sub", method_count},
    {"join", "iterable", method_join},
    {"partition", "sep", method_partition},
    {"rpartition", "sep", method_rpartition},
    {"center", "width fillchar?", method_center},
    {"ljust", "width fillchar?", method_ljust},
    {"rjust", "width fillchar?", method_rjust},
    {"zfill", "width", method_zfill},
    {"format", "*", method_format},
    {"isdigit", "", every<is_any_digit>},
    {"isdecimal", "", every<is_any_digit>},
    {"isnumeric", "", every<is_any_digit>},
    {"isalpha", "", every<is_letter>},
    {"isalnum", "", every<is_letter_or_digit>},
    {"isspace", "", every<is_space>},
    {"isascii", "", every<is_ascii>},
    {"islower", "", method_islower},
    {"isupper", "", method_isupper},
};

}  // namespace

std::span<const Builtin> string_methods() { return kMethods; }

Result<Value> replaced(Runtime& runtime, const Value& source, std::string_view old, const Value& by,
                       int64_t count) {
  TextSink sink(runtime);
  std::string_view text = source.text();
  int64_t left = count < 0 ? INT64_MAX : count;
  if (old.empty()) {  // between all code points, and at both ends
    for (; left > 0; --left) {
      TRY(sink.add_all(by));
      if (text.empty()) break;
      const int bytes = code_point_bytes(text);
      TRY(sink.add(source, text.substr(0, bytes)));
      text.remove_prefix(bytes);
    }
    TRY(sink.add(source, text));
    return std::move(sink).value();
  }
  for (; left > 0; --left) {
    const size_t at = text.find(old);
    if (at == std::string_view::npos) break;
    TRY(sink.add(source, text.substr(0, at)));
    TRY(sink.add_all(by));
    text.remove_prefix(at + old.size());
  }
  TRY(sink.add(source, text));
  return std::move(sink).value();
}

}  // namespace issun::chat::jinja
