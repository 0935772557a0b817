#include "grammar/regex_syntax.h"

#include <optional>

#include "base/quote.h"
#include "base/utf8.h"

namespace issun::grammar {

std::vector<Range> merged(std::vector<Range> ranges) {
  std::sort(ranges.begin(), ranges.end());
  std::vector<Range> out;
  for (const Range& range : ranges) {
    if (!out.empty() && range.first <= out.back().second + 1) {
      out.back().second = std::max(out.back().second, range.second);
    } else {
      out.push_back(range);
    }
  }
  return out;
}

std::vector<Range> negated(const std::vector<Range>& merged_ranges) {
  std::vector<Range> out;
  char32_t next = 0;
  for (const auto& [first, last] : merged_ranges) {
    if (first > next) out.emplace_back(next, first - 1);
    next = last + 1;
  }
  if (next <= kLastCharacter) out.emplace_back(next, kLastCharacter);
  return out;
}

namespace {

constexpr int kMaxRegexRepeat = 100'000;
constexpr int kMaxRegexDepth = 100;

const std::vector<Range> kDigits = {{'0', '9'}};
const std::vector<Range> kWord = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
// ECMA-262, WhiteSpace and LineTerminator.
const std::vector<Range> kSpaces = {
    {9, 13},          {0x20, 0x20},     {0xA0, 0xA0},     {0x1680, 0x1680}, {0x2000, 0x200A},
    {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
const std::vector<Range> kLineEnds = {{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};

class RegexParser {
 public:
  explicit RegexParser(std::string_view text) : text_(text) {}

  Result<RegexNode> parse() {
    RegexNode node = TRY(choice(0));
    if (at_ < text_.size()) return error("a ')' that closes nothing");
    return node;
  }

 private:
  tl::unexpected<Error> error(std::string_view what) const {
    return fail("'{}': {} at byte {}", printable(text_), what, at_);
  }
  bool ended() const { return at_ >= text_.size(); }
  char peek() const { return ended() ? '\0' : text_[at_]; }
  bool take(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  Result<RegexNode> choice(int depth) {
    if (depth > kMaxRegexDepth) return error("nested too deeply");
    RegexNode node{.kind = RegexNode::Kind::Choice};
    do {
      node.children.push_back(TRY(sequence(depth)));
    } while (take("|"));
    return node.children.size() == 1 ? std::move(node.children[0]) : node;
  }

  Result<RegexNode> sequence(int depth) {
    RegexNode node{.kind = RegexNode::Kind::Sequence};
    while (!ended() && peek() != '|' && peek() != ')') {
      RegexNode part = TRY(atom(depth));
      node.children.push_back(TRY(repeated(std::move(part))));
    }
    return node;
  }

  Result<RegexNode> repeated(RegexNode part) {
    RegexNode node{.kind = RegexNode::Kind::Repeat};
    if (take("*")) {
      node.least = 0, node.most = -1;
    } else if (take("+")) {
      node.least = 1, node.most = -1;
    } else if (take("?")) {
      node.least = 0, node.most = 1;
    } else if (!TRY(braces(node))) {
      return part;
    }
    if (part.kind == RegexNode::Kind::Begin || part.kind == RegexNode::Kind::End) {
      return error("an anchor cannot be repeated");
    }
    (void)take("?");  // lazy: the same language
    if (peek() == '*' || peek() == '+' || peek() == '?') return error("nothing to repeat");
    node.children.push_back(std::move(part));
    return node;
  }

  // {n}, {n,} or {n,m}; a '{' that is none of them is a character.
  Result<bool> braces(RegexNode& node) {
    const size_t before = at_;
    if (!take("{")) return false;
    const auto least = number();
    bool open = false;
    std::optional<int> most = least;
    if (least && take(",")) {
      most = number();
      open = !most;
    }
    if (!least || !take("}")) {
      at_ = before;
      return false;
    }
    if (*least > kMaxRegexRepeat || most.value_or(0) > kMaxRegexRepeat)
      return error("repeated too often");
    if (!open && *most < *least) return error("repetition bounds out of order");
    node.least = *least, node.most = open ? -1 : *most;
    return true;
  }
  std::optional<int> number() {
    int value = 0;
    const size_t before = at_;
    for (; peek() >= '0' && peek() <= '9'; ++at_) {
      value = std::min(value * 10 + (peek() - '0'), kMaxRegexRepeat + 1);
    }
    return at_ == before ? std::nullopt : std::optional(value);
  }

  Result<RegexNode> atom(int depth) {
    if (take("^")) return RegexNode{.kind = RegexNode::Kind::Begin};
    if (take("$")) return RegexNode{.kind = RegexNode::Kind::End};
    if (take("(")) {
      if (take("?=") || take("?!") || take("?<=") || take("?<!")) {
        return error("lookaround is not supported, found");
      }
      if (take("?")) {
        if (!take(":") && !TRY(group_name())) return error("an unknown kind of group");
      }
      RegexNode node = TRY(choice(depth + 1));
      if (!take(")")) return error("a group without end");
      return node;
    }
    if (peek() == '*' || peek() == '+' || peek() == '?') return error("nothing to repeat");
    RegexNode node{.kind = RegexNode::Kind::Set};
    if (take(".")) {
      node.set = negated(kLineEnds);
    } else if (take("[")) {
      node.set = TRY(brackets());
    } else if (take("\\")) {
      node.set = TRY(escape(false));
    } else {
      const char32_t character = TRY(literal());
      node.set = {{character, character}};
    }
    return node;
  }

  Result<bool> group_name() {
    if (!take("<")) return false;
    const size_t end = text_.find('>', at_);
    if (end == std::string_view::npos || end == at_) return error("a group name without end");
    at_ = end + 1;
    return true;
  }

  Result<char32_t> literal() {
    const Utf8Char character = decode_utf8(text_, at_);
    if (character.state != Utf8::Valid) return error("malformed UTF-8");
    at_ += static_cast<size_t>(character.bytes);
    return character.code;
  }

  Result<std::vector<Range>> brackets() {
    const bool inverted = take("^");
    std::vector<Range> ranges;
    while (!take("]")) {
      if (ended()) return error("a class without end");
      const std::vector<Range> first = TRY(class_part());
      const bool single = first.size() == 1 && first[0].first == first[0].second;
      // A '-' at the end, or after \w, is a character.
      if (peek() == '-' && at_ + 1 < text_.size() && text_[at_ + 1] != ']' && single) {
        ++at_;
        const std::vector<Range> last = TRY(class_part());
        if (last.size() == 1 && last[0].first == last[0].second) {
          if (last[0].first < first[0].first) return error("a range out of order");
          ranges.emplace_back(first[0].first, last[0].first);
          continue;
        }
        ranges.emplace_back('-', '-');
        ranges.insert(ranges.end(), last.begin(), last.end());
      }
      ranges.insert(ranges.end(), first.begin(), first.end());
    }
    ranges = merged(std::move(ranges));
    return inverted ? negated(ranges) : ranges;
  }

  Result<std::vector<Range>> class_part() {
    if (take("\\")) return escape(true);
    const char32_t character = TRY(literal());
    return std::vector<Range>{{character, character}};
  }

  Result<std::vector<Range>> escape(bool in_class) {
    if (ended()) return error("a pattern that ends in '\\'");
    const auto one = [](char32_t c) { return std::vector<Range>{{c, c}}; };
    const char letter = text_[at_];
    if (static_cast<unsigned char>(letter) >= 0x80) return one(TRY(literal()));
    ++at_;
    switch (letter) {
      case 'd':
        return kDigits;
      case 'D':
        return negated(kDigits);
      case 'w':
        return kWord;
      case 'W':
        return negated(kWord);
      case 's':
        return kSpaces;
      case 'S':
        return negated(kSpaces);
      case 'n':
        return one('\n');
      case 'r':
        return one('\r');
      case 't':
        return one('\t');
      case 'f':
        return one('\f');
      case 'v':
        return one('\v');
      case '0':
        if (peek() >= '0' && peek() <= '9') return error("an octal escape");
        return one(0);
      case 'c': {
        const char control = peek();
        if (!((control | 32) >= 'a' && (control | 32) <= 'z')) return error("a malformed \\c");
        ++at_;
        return one(static_cast<char32_t>(control & 31));
      }
      case 'x':
        return one(TRY(hexadecimal(2)));
      case 'u':
        return one(TRY(unicode_escape()));
      case 'b':
        if (in_class) return one('\b');
        return error("\\b is not supported, found");
      default:
        break;
    }
    const bool is_letter = (letter | 32) >= 'a' && (letter | 32) <= 'z';
    if (is_letter || (letter >= '1' && letter <= '9')) {
      return error(fmt::format("\\{} is not supported, found", letter));
    }
    return one(static_cast<char32_t>(letter));
  }

  Result<char32_t> hexadecimal(int digits) {
    char32_t value = 0;
    for (int i = 0; i < digits; ++i, ++at_) {
      const char c = peek();
      const int digit = c >= '0' && c <= '9'                 ? c - '0'
                        : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                             : -1;
      if (digit < 0) return error("expected a hexadecimal digit, found something else");
      value = value * 16 + static_cast<char32_t>(digit);
    }
    return value;
  }

  Result<char32_t> unicode_escape() {
    if (take("{")) {
      const size_t end = text_.find('}', at_);
      if (end == std::string_view::npos || end == at_ || end - at_ > 8) {
        return error("a malformed \\u{}");
      }
      const char32_t value = TRY(hexadecimal(static_cast<int>(end - at_)));
      if (value > kLastCharacter || !take("}")) return error("a malformed \\u{}");
      return value;
    }
    const char32_t high = TRY(hexadecimal(4));
    if (high < 0xD800 || high > 0xDBFF || !take("\\u")) return high;
    const char32_t low = TRY(hexadecimal(4));
    if (low < 0xDC00 || low > 0xDFFF) return error("half a surrogate pair");
    return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

Result<RegexNode> parse_regex_syntax(std::string_view pattern) {
  return RegexParser(pattern).parse();
}

}  // namespace issun::grammar
