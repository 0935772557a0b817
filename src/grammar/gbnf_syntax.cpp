#include "grammar/gbnf_syntax.h"

#include <algorithm>
#include <optional>

#include "base/quote.h"
#include "base/utf8.h"
#include "grammar/regex_syntax.h"

namespace issun::grammar {

std::string place_in(std::string_view text, size_t at) {
  const std::string_view before = text.substr(0, at);
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const size_t start = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  size_t column = 1;
  for (size_t i = start; i < at; i += static_cast<size_t>(decode_utf8(text, i).bytes)) ++column;
  return fmt::format("line {}, column {}", line, column);
}

namespace {

constexpr int kMaxGbnfRepeat = 100'000;
constexpr int kMaxGbnfDepth = 100;

bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

class GbnfParser {
 public:
  explicit GbnfParser(std::string_view text) : text_(text) {}

  Result<std::vector<GbnfRule>> rules() {
    std::vector<GbnfRule> rules;
    for (skip(true); !ended(); skip(true)) {
      GbnfRule rule;
      rule.name = TRY(name());
      skip(false);
      if (!take("::=")) return error("expected '::='");
      skip(true);
      rule.body = TRY(choice(0));
      if (!ended() && peek() != '\n' && peek() != '\r')
        return error("expected the end of the rule");
      rules.push_back(std::move(rule));
    }
    return rules;
  }

 private:
  tl::unexpected<Error> error(std::string_view what) const {
    const std::string found = ended() ? "the end" : "'" + printable(text_.substr(at_, 12)) + "'";
    return fail("grammar: {}: {}, found {}", place_in(text_, at_), what, found);
  }
  bool ended() const { return at_ >= text_.size(); }
  char peek() const { return ended() ? '\0' : text_[at_]; }
  bool take(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  // Blanks and comments.
  void skip(bool lines) {
    while (!ended()) {
      if (peek() == '#') {
        at_ = std::min(text_.find_first_of("\r\n", at_), text_.size());
      } else if (peek() == ' ' || peek() == '\t' || (lines && (peek() == '\n' || peek() == '\r'))) {
        ++at_;
      } else {
        return;
      }
    }
  }

  Result<std::string> name() {
    const size_t first = at_;
    while (!ended() && is_name(peek())) ++at_;
    if (at_ == first) return error("expected the name of a rule");
    return std::string(text_.substr(first, at_ - first));
  }

  Result<GbnfNode> choice(int depth) {
    if (depth > kMaxGbnfDepth) return error("nested too deeply");
    GbnfNode node{.kind = GbnfNode::Kind::Choice, .at = at_};
    do {
      skip(true);
      node.children.push_back(TRY(sequence(depth)));
    } while (take("|"));
    return node;
  }

  Result<GbnfNode> sequence(int depth) {
    GbnfNode node{.kind = GbnfNode::Kind::Sequence, .at = at_};
    while (true) {
      const char next = peek();
      if (ended() || next == '|' || next == ')' || next == '\n' || next == '\r') return node;
      GbnfNode part = TRY(symbol(depth));
      for (std::optional<GbnfNode> more = TRY(repetition(part)); more;
           more = TRY(repetition(part))) {
        part = std::move(*more);
      }
      node.children.push_back(std::move(part));
      skip(depth > 0);
    }
  }

  Result<GbnfNode> symbol(int depth) {
    GbnfNode node{.at = at_};
    if (take("\"")) {
      node.kind = GbnfNode::Kind::Text;
      while (!take("\"")) {
        if (ended() || peek() == '\n') return error("expected '\"' at the end of a literal");
        append_utf8(TRY(character()), node.text);
      }
    } else if (take("[")) {
      node.kind = GbnfNode::Kind::Set;
      node.set = TRY(brackets());
    } else if (take(".")) {
      node.kind = GbnfNode::Kind::Set;
      node.set = {{0, kLastCharacter}};
    } else if (take("(")) {
      node = TRY(choice(depth + 1));
      if (!take(")")) return error("expected ')'");
    } else if (take("<")) {
      node.kind = GbnfNode::Kind::Token;
      TRY(token(node));
    } else if (take("!")) {
      return error("tokens that are not allowed cannot be named: this form is not supported");
    } else {
      node.kind = GbnfNode::Kind::Rule;
      if (!is_name(peek())) return error("expected a literal, a class, a group or a rule");
      node.text = TRY(name());
    }
    return node;
  }

  Result<void> token(GbnfNode& node) {
    const size_t end = text_.find('>', at_);
    if (end == std::string_view::npos) return error("expected '>' at the end of a token");
    const std::string_view inside = text_.substr(at_, end - at_);
    if (inside.starts_with('[') && inside.ends_with(']')) {
      for (const char digit : inside.substr(1, inside.size() - 2)) {
        if (digit < '0' || digit > '9' || node.number > 100'000'000) {
          return error("expected the number of a token");
        }
        node.number = node.number * 10 + static_cast<uint32_t>(digit - '0');
      }
      if (inside.size() == 2) return error("expected the number of a token");
    } else {
      node.text = "<" + std::string(inside) + ">";
    }
    at_ = end + 1;
    return {};
  }

  Result<std::optional<GbnfNode>> repetition(GbnfNode& part) {
    GbnfNode node{.kind = GbnfNode::Kind::Repeat, .at = at_};
    if (take("*")) {
      node.least = 0, node.most = -1;
    } else if (take("+")) {
      node.least = 1, node.most = -1;
    } else if (take("?")) {
      node.least = 0, node.most = 1;
    } else if (take("{")) {
      node.least = TRY(count());
      node.most = node.least;
      skip(false);
      if (take(",")) {
        skip(false);
        node.most = peek() == '}' ? -1 : TRY(count());
        skip(false);
      }
      if (!take("}")) return error("expected '}'");
      if (node.most >= 0 && node.most < node.least) return error("bounds out of order");
    } else {
      return std::optional<GbnfNode>();
    }
    node.children.push_back(std::move(part));
    return std::optional(std::move(node));
  }
  Result<int> count() {
    skip(false);
    const size_t first = at_;
    int value = 0;
    for (; peek() >= '0' && peek() <= '9'; ++at_) {
      value = value * 10 + (peek() - '0');
      if (value > kMaxGbnfRepeat)
        return error(fmt::format("expected a count up to {}", kMaxGbnfRepeat));
    }
    if (at_ == first) return error("expected a count");
    return value;
  }

  Result<std::vector<Range>> brackets() {
    const bool inverted = take("^");
    std::vector<Range> ranges;
    while (!take("]")) {
      if (ended()) return error("expected ']' at the end of a class");
      const char32_t first = TRY(character());
      char32_t last = first;
      if (peek() == '-' && at_ + 1 < text_.size() && text_[at_ + 1] != ']') {
        ++at_;
        last = TRY(character());
        if (last < first) return error("a range out of order");
      }
      ranges.emplace_back(first, last);
    }
    ranges = merged(std::move(ranges));
    return inverted ? negated(ranges) : ranges;
  }

  Result<char32_t> character() {
    if (!take("\\")) {
      const Utf8Char next = decode_utf8(text_, at_);
      if (next.state != Utf8::Valid) return error("expected UTF-8");
      at_ += static_cast<size_t>(next.bytes);
      return next.code;
    }
    constexpr std::string_view kLetters = "nrt\"\\[]", kMeanings = "\n\r\t\"\\[]";
    const size_t known = ended() ? std::string_view::npos : kLetters.find(peek());
    if (known != std::string_view::npos) {
      ++at_;
      return static_cast<char32_t>(static_cast<unsigned char>(kMeanings[known]));
    }
    if (take("x")) return hexadecimal(2);
    if (take("u")) return hexadecimal(4);
    if (take("U")) return hexadecimal(8);
    return error("unknown escape");
  }
  Result<char32_t> hexadecimal(int digits) {
    char32_t value = 0;
    for (int i = 0; i < digits; ++i, ++at_) {
      const char c = peek(), lower = static_cast<char>(c | 0x20);
      if (c >= '0' && c <= '9') {
        value = value * 16 + static_cast<char32_t>(c - '0');
      } else if (lower >= 'a' && lower <= 'f') {
        value = value * 16 + static_cast<char32_t>(lower - 'a' + 10);
      } else {
        return error("expected a hexadecimal digit");
      }
    }
    const bool surrogate = value >= kFirstSurrogate && value < kAfterSurrogates;
    if (value > kLastCharacter || surrogate) return error("no such character");
    return value;
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

Result<std::vector<GbnfRule>> parse_gbnf(std::string_view text) { return GbnfParser(text).rules(); }

}  // namespace issun::grammar
