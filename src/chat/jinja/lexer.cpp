#include "chat/jinja/lexer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>

#include "base/utf8.h"
#include "chat/jinja/text.h"

namespace issun::chat::jinja {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || ((c | 32) >= 'a' && (c | 32) <= 'f'); }
bool starts_name(char c) {
  return c == '_' || ((c | 32) >= 'a' && (c | 32) <= 'z') || static_cast<uint8_t>(c) >= 0x80;
}

std::string unix_lines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    const bool pair = source[i] == '\r' && i + 1 < source.size() && source[i + 1] == '\n';
    if (!pair) out += source[i] == '\r' ? '\n' : source[i];
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

class Lexer {
 public:
  explicit Lexer(std::string source) : source_(std::move(source)) {}

  Result<std::vector<Token>> run() {
    while (at_ < source_.size()) {
      const size_t tag = find_tag(at_);
      const std::string_view text = std::string_view(source_).substr(at_, tag - at_);
      if (tag == source_.size()) {
        add_text(text);
        break;
      }
      const char kind = source_[tag + 1];
      const char mark = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
      std::string_view kept = text;
      if (mark == '-') {
        kept = strip_right(text);
      } else if (mark != '+' && kind != '{') {
        kept = without_indent(text);
      }
      add_text(kept);
      line_ += static_cast<int>(std::count(text.begin() + kept.size(), text.end(), '\n'));
      at_ = tag + 2 + (mark == '-' || mark == '+');
      if (kind == '#') {
        TRY(comment());
      } else if (kind == '%' && raw_begins()) {
        TRY(raw());
      } else {
        TRY(this->tag(kind));
      }
    }
    add(TokenKind::end, "");
    return std::move(tokens_);
  }

 private:
  std::string_view rest() const { return std::string_view(source_).substr(at_); }

  size_t find_tag(size_t from) const {
    for (size_t i = source_.find('{', from); i != std::string::npos; i = source_.find('{', i + 1)) {
      const char next = i + 1 < source_.size() ? source_[i + 1] : '\0';
      if (next == '{' || next == '%' || next == '#') return i;
    }
    return source_.size();
  }

  // `text` without the blanks that indent the tag behind it, if nothing else is on its line.
  std::string_view without_indent(std::string_view text) const {
    const size_t line = text.rfind('\n');
    const size_t start = line == std::string_view::npos ? 0 : line + 1;
    if (start == 0 && !line_starts_) return text;
    return strip(text.substr(start)).empty() ? text.substr(0, start) : text;
  }

  void add(TokenKind kind, std::string text) { tokens_.push_back({kind, std::move(text), line_}); }
  void add_text(std::string_view text) {
    if (!text.empty()) add(TokenKind::text, std::string(text));
    line_ += static_cast<int>(std::count(text.begin(), text.end(), '\n'));
  }

  // Behind the end of a tag; `mark` is the character before its closing pair.
  void after_tag(char mark, bool trims) {
    const size_t begin = at_;
    if (mark == '-') {
      at_ = source_.size() - strip_left(rest()).size();
    } else if (trims && mark != '+' && rest().starts_with('\n')) {
      ++at_;
    }
    line_ += static_cast<int>(std::count(source_.begin() + begin, source_.begin() + at_, '\n'));
    line_starts_ = at_ > 0 && source_[at_ - 1] == '\n';
  }

  Result<void> comment() {
    const size_t end = source_.find("#}", at_);
    if (end == std::string::npos) return fail("line {}: a comment without end", line_);
    const char mark = end > at_ ? source_[end - 1] : '\0';
    line_ += static_cast<int>(std::count(source_.begin() + at_, source_.begin() + end, '\n'));
    at_ = end + 2;
    after_tag(mark, true);
    return {};
  }

  // Reads `word` as the only content of a block tag that starts at `from`; 0 when it is not,
  // else the position behind the tag. *mark is the character before its "%}".
  size_t lone_word(size_t from, std::string_view word, char* mark) const {
    std::string_view text = strip_left(std::string_view(source_).substr(from));
    if (!text.starts_with(word)) return 0;
    text = strip_left(text.substr(word.size()));
    *mark = text.empty() ? '\0' : text[0];
    if (*mark == '-' || *mark == '+') text.remove_prefix(1);
    return text.starts_with("%}") ? source_.size() - text.size() + 2 : 0;
  }

  bool raw_begins() const {
    char mark = 0;
    return lone_word(at_, "raw", &mark) != 0;
  }

  Result<void> raw() {
    const int line = line_;
    char mark = 0;
    at_ = lone_word(at_, "raw", &mark);
    after_tag(mark, false);
    for (size_t i = source_.find("{%", at_); i != std::string::npos;
         i = source_.find("{%", i + 2)) {
      const char before = i + 2 < source_.size() ? source_[i + 2] : '\0';
      const bool marked = before == '-' || before == '+';
      const size_t end = lone_word(i + 2 + marked, "endraw", &mark);
      if (end == 0) continue;
      std::string_view text = std::string_view(source_).substr(at_, i - at_);
      if (before == '-') text = strip_right(text);
      if (!marked) text = without_indent(text);
      add_text(text);
      at_ = end;
      after_tag(mark, true);
      return {};
    }
    return fail("line {}: raw without endraw", line);
  }

  Result<void> tag(char kind) {
    const int first_line = line_;
    const bool output = kind == '{';
    const std::string_view close = output ? "}}" : "%}";
    add(output ? TokenKind::output_begin : TokenKind::block_begin, "");
    std::string open;  // the closing brackets that are due
    while (true) {
      const std::string_view before = rest();
      const size_t blanks = before.size() - strip_left(before).size();
      line_ += static_cast<int>(std::count(before.begin(), before.begin() + blanks, '\n'));
      at_ += blanks;
      const std::string_view text = rest();
      if (text.empty()) return fail("line {}: a tag without end", first_line);
      const bool marked = (text[0] == '-' || text[0] == '+') && text.substr(1).starts_with(close);
      if (open.empty() && (marked || text.starts_with(close))) {
        const char mark = marked ? text[0] : '\0';
        add(output ? TokenKind::output_end : TokenKind::block_end, "");
        at_ += close.size() + marked;
        after_tag(mark, !output);
        return {};
      }
      TRY(token(&open));
    }
  }

  Result<void> token(std::string* open) {
    const std::string_view text = rest();
    const char c = text[0];
    if (c == '"' || c == '\'') return string(c);
    if (is_digit(c)) return number();
    if (starts_name(c)) {
      size_t end = 1;
      while (end < text.size() && (starts_name(text[end]) || is_digit(text[end]))) ++end;
      add(TokenKind::name, std::string(text.substr(0, end)));
      at_ += end;
      return {};
    }
    constexpr std::array<std::string_view, 27> kSymbols = {
        "**", "//", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "<", ">",
        "=",  "|",  ".",  ",",  ":",  "(",  ")", "[", "]", "{", "}", ";", "!"};
    const auto symbol = std::find_if(kSymbols.begin(), kSymbols.end(),
                                     [&](std::string_view s) { return text.starts_with(s); });
    if (symbol == kSymbols.end()) return fail("line {}: unexpected character '{}'", line_, c);
    if (c == '(') open->push_back(')');
    if (c == '[') open->push_back(']');
    if (c == '{') open->push_back('}');
    if (c == ')' || c == ']' || c == '}') {
      if (open->empty() || open->back() != c) return fail("line {}: unexpected '{}'", line_, c);
      open->pop_back();
    }
    add(TokenKind::symbol, std::string(*symbol));
    at_ += symbol->size();
    return {};
  }

  Result<void> number() {
    std::string digits;
    size_t i = at_;
    const auto take_while = [&](auto accepts) {
      for (; i < source_.size() && (accepts(source_[i]) || source_[i] == '_'); ++i) {
        if (source_[i] != '_') digits += source_[i];
      }
    };
    const char second = i + 1 < source_.size() ? static_cast<char>(source_[i + 1] | 32) : '\0';
    const bool based = source_[i] == '0' && (second == 'x' || second == 'o' || second == 'b');
    bool real = false;
    if (based) {
      digits += {'0', second};
      i += 2;
      take_while(is_hex);
    } else {
      take_while(is_digit);
      if (i + 1 < source_.size() && source_[i] == '.' && is_digit(source_[i + 1])) {
        real = true;
        digits += source_[i++];
        take_while(is_digit);
      }
      const size_t sign =
          i + 1 < source_.size() && (source_[i + 1] == '-' || source_[i + 1] == '+');
      if (i + 1 + sign < source_.size() && (source_[i] | 32) == 'e' &&
          is_digit(source_[i + 1 + sign])) {
        real = true;
        digits.append(source_, i, 1 + sign);
        i += 1 + sign;
        take_while(is_digit);
      }
    }
    add(real ? TokenKind::real : TokenKind::integer, std::move(digits));
    at_ = i;
    return {};
  }

  Result<void> string(char quote) {
    const int first_line = line_;
    std::string out;
    size_t i = at_ + 1;
    while (true) {
      if (i >= source_.size()) return fail("line {}: a string without end", first_line);
      const char c = source_[i++];
      if (c == quote) break;
      if (c == '\n') ++line_;
      if (c != '\\') {
        out += c;
        continue;
      }
      if (i >= source_.size()) return fail("line {}: a string without end", first_line);
      TRY(escape(&i, &out));
    }
    tokens_.push_back({TokenKind::string, std::move(out), first_line});
    at_ = i;
    return {};
  }

  // One escape of a string, behind its backslash.
  Result<void> escape(size_t* i, std::string* out) {
    const char letter = source_[(*i)++];
    constexpr std::string_view kLetters = "\\'\"abfnrtv", kMeanings = "\\'\"\a\b\f\n\r\t\v";
    if (const size_t known = kLetters.find(letter); known != std::string_view::npos) {
      *out += kMeanings[known];
      return {};
    }
    if (letter == '\n') {
      ++line_;
      return {};
    }
    const int digits = letter == 'x' ? 2 : letter == 'u' ? 4 : letter == 'U' ? 8 : 0;
    uint32_t code = 0;
    if (digits > 0) {
      const std::string hex = source_.substr(*i, digits);
      const bool valid =
          hex.size() == static_cast<size_t>(digits) && std::all_of(hex.begin(), hex.end(), is_hex);
      std::from_chars(hex.data(), hex.data() + hex.size(), code, 16);
      if (!valid || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) {
        return fail("line {}: \\{} expects {} hexadecimal digits of a character", line_, letter,
                    digits);
      }
      *i += digits;
    } else if (letter >= '0' && letter <= '7') {
      --*i;
      for (int n = 0; n < 3 && *i < source_.size(); ++n, ++*i) {
        const char digit = source_[*i];
        if (digit < '0' || digit > '7') break;
        code = code * 8 + (digit - '0');
      }
    } else {  // an unknown escape stays as it is, backslash and all
      *out += '\\';
      *out += letter;
      return {};
    }
    append_utf8(code, *out);
    return {};
  }

  const std::string source_;
  size_t at_ = 0;
  int line_ = 1;
  bool line_starts_ = true;  // the last tag ended a line, or there was none
  std::vector<Token> tokens_;
};

}  // namespace

bool Token::is_keyword() const {
  constexpr std::string_view kKeywords[] = {"and", "or", "not", "if", "else", "in", "is"};
  return kind == TokenKind::name &&
         std::find(std::begin(kKeywords), std::end(kKeywords), text) != std::end(kKeywords);
}

Result<std::vector<Token>> tokenize(std::string_view source) {
  return Lexer(unix_lines(source)).run();
}

}  // namespace issun::chat::jinja
